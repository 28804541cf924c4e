"""The verbs on one label of a conversation's memory: isolate, promote, reset, rebase, release."""

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse

from ..domain.errors import DomainError
from ..domain.memory.drift import (
    MergeConflict,
    SharedMoved,
    compare,
    merge,
    promote,
    rebase,
    reset,
)
from ..domain.memory.isolation import isolate_label, release_label, restore_label
from ..domain.memory.revisions import redo, undo
from ..models import Conversation
from .display import diff
from .fields import PlainTextField
from .row_views import RowViews, number_in, row_view
from .scope import actor


class MergeForm(forms.Form):
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
    """Part of ConversationAdmin. Each view takes the label from the query string.

    A form sends the versions of the texts that the page showed; without one, it is shown again.
    """

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
        isolate_label(conversation, label, by=actor(request))
        return self.succeed(request, conversation, f"Isolated {label}.")

    @row_view("change", "POST")
    def restore_label(self, request: HttpRequest, conversation: Conversation) -> HttpResponse:
        """Restore the isolated block that was released last."""
        label = label_of(request)
        restore_label(conversation, label, by=actor(request))
        return self.succeed(request, conversation, f"Restored the isolated block {label}.")

    @row_view("change", "POST")
    def undo(self, request: HttpRequest, conversation: Conversation) -> HttpResponse:
        """Undo the last edit of the isolated block."""
        label, version = label_of(request), number_in(request.POST, "version")
        block = compare(conversation, label).isolation.block
        undo(block, by=actor(request), expected_version=version)
        return self.succeed(request, conversation, f"Undid the last edit of {label}.")

    @row_view("change", "POST")
    def redo(self, request: HttpRequest, conversation: Conversation) -> HttpResponse:
        """Redo the edit of the isolated block that was undone last."""
        label, version = label_of(request), number_in(request.POST, "version")
        block = compare(conversation, label).isolation.block
        redo(block, by=actor(request), expected_version=version)
        return self.succeed(request, conversation, f"Redid the edit of {label}.")

    # With a confirmation page

    @row_view("change", "GET", "POST")
    def release(self, request: HttpRequest, conversation: Conversation) -> HttpResponse:
        """Show what the conversation will read instead, then release the label."""
        label, version = label_of(request), number_in(request.POST, "version")
        if version is not None:
            shared = release_label(conversation, label, by=actor(request), expected_version=version)
            result = "reads the shared block" if shared else "no longer has this label"
            message = f"Released {label}. The conversation {result}."
            return self.succeed(request, conversation, message)
        context = {
            "title": f"Release {label}?",
            "effective": compare(conversation, label).effective,
        }
        return self.render_page(request, "release", conversation, context)

    @row_view("promote", "GET", "POST")
    def promote(self, request: HttpRequest, conversation: Conversation) -> HttpResponse:
        """Show the change of the shared block and its readers, then promote the text."""
        label, version = label_of(request), number_in(request.POST, "version")
        by = actor(request)
        if version is not None:
            done = promote(
                conversation,
                label,
                by=by,
                force="force" in request.POST,
                expected_version=version,
                shared_version=number_in(request.POST, "shared_version"),
            )
            plural = "" if done.conversations == 1 else "s"
            message = f"Promoted {label} for {done.conversations:,} conversation{plural}."
            return self.succeed(request, conversation, message)
        comparison = compare(conversation, label)
        try:
            promotion, moved = promote(conversation, label, by=by, dry_run=True), False
        except SharedMoved:
            promotion, moved = promote(conversation, label, by=by, force=True, dry_run=True), True
        shared_value = comparison.shared.value if comparison.shared else ""
        context = {
            "title": f"Promote {label}?",
            "effective": comparison.effective,
            "change": diff(shared_value, promotion.block.value),
            "promotion": promotion,
            "moved": moved,
            "shared_change": diff(comparison.isolation.base_value, shared_value),
        }
        return self.render_page(request, "promote", conversation, context)

    @row_view("change", "GET", "POST")
    def reset(self, request: HttpRequest, conversation: Conversation) -> HttpResponse:
        """Show what the isolated text loses, then reset it to the shared text."""
        label, version = label_of(request), number_in(request.POST, "version")
        if version is not None:
            reset(conversation, label, by=actor(request), expected_version=version)
            return self.succeed(request, conversation, f"Reset {label} to the shared text.")
        effective = compare(conversation, label).effective
        reset_value = reset(conversation, label, by=actor(request), dry_run=True).block.value
        change = diff(effective.block.value, reset_value)
        context = {"title": f"Reset {label}?", "effective": effective, "change": change}
        return self.render_page(request, "reset", conversation, context)

    @row_view("change", "GET", "POST")
    def rebase(self, request: HttpRequest, conversation: Conversation) -> HttpResponse:
        """Show the merged text, or ask for one if there are conflicts, then rebase."""
        label, version = label_of(request), number_in(request.POST, "version")
        form = MergeForm(request.POST) if "resolution" in request.POST else None
        if version is not None and (form is None or form.is_valid()):
            try:
                rebase(
                    conversation,
                    label,
                    by=actor(request),
                    resolution=form.cleaned_data["resolution"] if form else None,
                    expected_version=version,
                    shared_version=number_in(request.POST, "shared_version"),
                )
                return self.succeed(request, conversation, f"Rebased {label} on the shared text.")
            except DomainError as error:
                if form is None:
                    raise
                # The page below keeps the typed text.
                self.message_user(request, f"Not saved. {error}", messages.ERROR)
        comparison = compare(conversation, label)
        context = {"title": f"Rebase {label}", "effective": comparison.effective}
        try:
            context["change"] = diff(comparison.isolation.block.value, merge(comparison))
        except MergeConflict as conflict:
            context["conflicts"] = conflict.conflicts
            form = form or MergeForm(initial={"resolution": conflict.merged})
        return self.render_page(request, "rebase", conversation, {**context, "form": form})
