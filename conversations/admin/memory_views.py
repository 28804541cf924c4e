"""The verbs on one label of a conversation's memory: isolate, promote, reset, rebase, release."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from ..domain.errors import DomainError, NotIsolated
from ..domain.memory.drift import (
    MergeConflict,
    SharedMoved,
    compare,
    merge,
    preview_promotion,
    preview_reset,
    promote,
    rebase,
    reset,
)
from ..domain.memory.effective import effective_blocks
from ..domain.memory.isolation import isolate_label, release_label, restore_label
from ..domain.memory.revisions import redo, undo
from ..models import Conversation
from .display import diff
from .fields import PlainTextField
from .row_views import RowViews, number_in, row_view
from .scope import actor


class SeenForm(forms.Form):
    """The versions of both texts that the confirmation page showed."""

    version = forms.IntegerField(widget=forms.HiddenInput)
    shared_version = forms.IntegerField(widget=forms.HiddenInput, required=False)
    force = forms.BooleanField(required=False)


class MergeForm(SeenForm):
    """The text that resolves a merge conflict."""

    resolution = PlainTextField(
        required=False,
        label="Text to keep",
        widget=forms.Textarea(attrs={"rows": 14, "spellcheck": "false"}),
    )

    def clean_resolution(self) -> str:
        """Reject a text in which conflict markers of this page are left."""
        text: str = self.cleaned_data["resolution"]
        for number, line in enumerate(text.split("\n"), start=1):
            if line in ("<<<<<<< shared", ">>>>>>> isolated"):
                raise forms.ValidationError(
                    f"Line {number} is still a conflict marker ({line}). Keep the text you want "
                    "and remove the markers."
                )
        return text


def label_of(request: HttpRequest) -> str:
    """Return the label in the query string."""
    return request.GET.get("label", "")


class MemoryViews(RowViews):
    """Part of ConversationAdmin. Each view takes the label from the query string."""

    memory_views = (
        *("isolate", "restore_label", "undo", "redo"),
        *("release", "promote", "reset", "rebase"),
    )

    def has_promote_permission(self, request: HttpRequest, conversation: Conversation) -> bool:
        """Return whether the operator may also change the shared block."""
        may_write = request.user.has_perm("conversations.change_block")
        return may_write and self.has_change_permission(request, conversation)

    @row_view("change", "POST")
    def isolate(self, request: HttpRequest, conversation: Conversation) -> HttpResponse:
        """Isolate the label."""
        label = label_of(request)
        return self.apply(
            request,
            conversation,
            lambda: isolate_label(conversation, label, by=actor(request)),
            f"Isolated {label}.",
        )

    @row_view("change", "POST")
    def restore_label(self, request: HttpRequest, conversation: Conversation) -> HttpResponse:
        """Restore the isolated block that was released last."""
        label = label_of(request)
        return self.apply(
            request,
            conversation,
            lambda: restore_label(conversation, label, by=actor(request)),
            f"Restored the isolated block {label}.",
        )

    @row_view("change", "POST")
    def undo(self, request: HttpRequest, conversation: Conversation) -> HttpResponse:
        """Undo the last edit of the isolated block."""
        message = f"Undid the last edit of {label_of(request)}."
        return self.apply_to_block(request, conversation, undo, message)

    @row_view("change", "POST")
    def redo(self, request: HttpRequest, conversation: Conversation) -> HttpResponse:
        """Redo the edit of the isolated block that was undone last."""
        message = f"Redid the edit of {label_of(request)}."
        return self.apply_to_block(request, conversation, redo, message)

    def apply_to_block(
        self,
        request: HttpRequest,
        conversation: Conversation,
        verb: Callable[..., object],
        message: str,
    ) -> HttpResponse:
        """Apply a verb to the isolated block, if it still has the version that was shown."""

        def apply() -> None:
            block = compare(conversation, label_of(request)).isolation.block
            verb(block, by=actor(request), expected_version=number_in(request.POST, "version"))

        return self.apply(request, conversation, apply, message)

    # With a confirmation page

    @row_view("change", "GET", "POST")
    def release(self, request: HttpRequest, conversation: Conversation) -> HttpResponse:
        """Show what the conversation will read instead, then release the label."""

        def preview(label: str) -> dict[str, Any]:
            for effective in effective_blocks(conversation):
                if effective.isolation and effective.label == label:
                    return {"title": f"Release {label}?", "effective": effective}
            raise NotIsolated(conversation.pk, label)

        def verb(label: str, seen: dict[str, Any]) -> str:
            shared = release_label(
                conversation, label, by=actor(request), expected_version=seen["version"]
            )
            if shared:
                return f"Released {label}. The conversation reads the shared block."
            return f"Released {label}. The conversation no longer has this label."

        return self.confirm_verb(request, conversation, "release", preview, verb)

    @row_view("promote", "GET", "POST")
    def promote(self, request: HttpRequest, conversation: Conversation) -> HttpResponse:
        """Show the change of the shared block and its readers, then promote the text."""

        def preview(label: str) -> dict[str, Any]:
            comparison = compare(conversation, label)
            try:
                promotion, moved = preview_promotion(conversation, label), False
            except SharedMoved:
                promotion, moved = preview_promotion(conversation, label, force=True), True
            shared_value = comparison.shared.value if comparison.shared else ""
            return {
                "title": f"Promote {label}?",
                "effective": comparison.effective,
                "change": diff(shared_value, promotion.block.value),
                "promotion": promotion,
                "moved": moved,
                "shared_change": diff(comparison.isolation.base_value, shared_value),
            }

        def verb(label: str, seen: dict[str, Any]) -> str:
            done = promote(
                conversation,
                label,
                by=actor(request),
                force=seen["force"],
                expected_version=seen["version"],
                shared_version=seen["shared_version"],
            )
            plural = "" if done.conversations == 1 else "s"
            return f"Promoted {label} for {done.conversations:,} conversation{plural}."

        return self.confirm_verb(request, conversation, "promote", preview, verb)

    @row_view("change", "GET", "POST")
    def reset(self, request: HttpRequest, conversation: Conversation) -> HttpResponse:
        """Show what the isolated text loses, then reset it to the shared text."""

        def preview(label: str) -> dict[str, Any]:
            comparison = compare(conversation, label)
            reset_value = preview_reset(conversation, label).block.value
            return {
                "title": f"Reset {label}?",
                "effective": comparison.effective,
                "change": diff(comparison.isolation.block.value, reset_value),
            }

        def verb(label: str, seen: dict[str, Any]) -> str:
            reset(conversation, label, by=actor(request), expected_version=seen["version"])
            return f"Reset {label} to the shared text."

        return self.confirm_verb(request, conversation, "reset", preview, verb)

    @row_view("change", "GET", "POST")
    def rebase(self, request: HttpRequest, conversation: Conversation) -> HttpResponse:
        """Show the merged text, or ask for one if there are conflicts, then rebase."""

        def preview(label: str) -> dict[str, Any]:
            comparison = compare(conversation, label)
            context = {"title": f"Rebase {label}", "effective": comparison.effective}
            try:
                merged = merge(comparison)
            except MergeConflict as conflict:
                return {
                    **context,
                    "conflicts": conflict.conflicts,
                    "form": MergeForm(initial={"resolution": conflict.merged}),
                }
            return {**context, "change": diff(comparison.isolation.block.value, merged)}

        def verb(label: str, seen: dict[str, Any]) -> str:
            rebase(
                conversation,
                label,
                by=actor(request),
                resolution=seen.get("resolution"),
                expected_version=seen["version"],
                shared_version=seen["shared_version"],
            )
            return f"Rebased {label} on the shared text."

        form = MergeForm if "resolution" in request.POST else SeenForm
        return self.confirm_verb(request, conversation, "rebase", preview, verb, form=form)

    def confirm_verb(
        self,
        request: HttpRequest,
        conversation: Conversation,
        name: str,
        preview: Callable[[str], dict[str, Any]],
        verb: Callable[[str, dict[str, Any]], str],
        *,
        form: type[SeenForm] = SeenForm,
    ) -> HttpResponse:
        """Render the page `name` from `preview` on GET; apply `verb` to what it showed on POST.

        If either text has changed in between, the page is shown again and keeps a typed text.
        """
        label = label_of(request)
        sent = form(request.POST) if request.method == "POST" else None
        try:
            if sent and sent.is_valid():
                try:
                    message = verb(label, sent.cleaned_data)
                except DomainError as error:
                    self.message_user(request, f"Not saved. {error}", messages.ERROR)
                    if form is SeenForm:
                        return redirect(request.get_full_path())
                else:
                    self.report_success(request, conversation, message)
                    return self.redirect_to(conversation)
            context = preview(label)
        except DomainError as error:
            self.message_user(request, str(error), messages.ERROR)
            return self.redirect_to(conversation)
        if sent and form is MergeForm:
            context["form"] = sent
        return self.render_page(request, name, conversation, context)
