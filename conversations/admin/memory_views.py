"""What an operator does with one label of a conversation's memory."""

from django import forms
from django.contrib import messages
from django.shortcuts import redirect

from ..domain.errors import DomainError, NotFound
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
from .display import diff
from .fields import PlainTextField
from .row_views import button, number_in
from .scope import actor


class SeenForm(forms.Form):
    """The versions of both texts that the operator was shown before pressing the button."""

    version = forms.IntegerField(widget=forms.HiddenInput)
    shared_version = forms.IntegerField(widget=forms.HiddenInput, required=False)
    force = forms.BooleanField(required=False)


class MergeForm(SeenForm):
    resolution = PlainTextField(
        required=False,
        label="Text to keep",
        widget=forms.Textarea(attrs={"rows": 14, "spellcheck": "false"}),
    )

    def clean_resolution(self):
        """This page put the marks there, so it sees to it that they do not become memory."""
        text = self.cleaned_data["resolution"]
        for number, line in enumerate(text.split("\n"), start=1):
            if line in ("<<<<<<< shared", ">>>>>>> isolated"):
                raise forms.ValidationError(
                    f"Line {number} still marks a conflict ({line}): keep one side and remove the "
                    "marks."
                )
        return text


def label_of(request) -> str:
    return request.GET.get("label", "")


class LabelPages:
    """Part of the admin of conversations. The label is in the query of each address."""

    label_buttons = ("isolate", "restore_label", "undo", "redo")
    label_buttons += ("release", "promote", "reset", "rebase")

    def has_promote_permission(self, request, conversation):
        """Promoting writes the shared block, which other conversations read."""
        may_write = request.user.has_perm("conversations.change_block")
        return may_write and self.has_change_permission(request, conversation)

    @button("change", "POST")
    def isolate(self, request, conversation):
        def verb(conversation):
            isolate_label(conversation, label_of(request), by=actor(request))
            return f"Isolated {label_of(request)}: this conversation now has its own copy."

        return self.press(request, conversation, verb)

    @button("change", "POST")
    def restore_label(self, request, conversation):
        def verb(conversation):
            restore_label(conversation, label_of(request), by=actor(request))
            return f"Brought back this conversation's own copy of {label_of(request)}."

        return self.press(request, conversation, verb)

    @button("change", "POST")
    def undo(self, request, conversation):
        def verb(conversation):
            block = compare(conversation, label_of(request)).isolation.block
            undo(block, by=actor(request), expected_version=number_in(request.POST, "version"))
            return f"Undid the last edit of {block.label}. Redo takes that back."

        return self.press(request, conversation, verb)

    @button("change", "POST")
    def redo(self, request, conversation):
        def verb(conversation):
            block = compare(conversation, label_of(request)).isolation.block
            redo(block, by=actor(request), expected_version=number_in(request.POST, "version"))
            return f"Redid the edit of {block.label}."

        return self.press(request, conversation, verb)

    # With a page that asks

    @button("change", "GET", "POST")
    def release(self, request, conversation):
        """Shows what the conversation will read instead."""

        def preview(label):
            for effective in effective_blocks(conversation):
                if effective.isolation and effective.label == label:
                    return {"title": f"Release {label}?", "effective": effective}
            raise NotFound(f"Conversation '{conversation.pk}' has not isolated the label {label!r}")

        def verb(label, seen):
            version = seen["version"]
            shared = release_label(conversation, label, by=actor(request), expected_version=version)
            reads = "reads the shared block again" if shared else "no longer has that label"
            return f"Released {label}: this conversation {reads}."

        return self.ask(request, conversation, "release", preview, verb)

    @button("promote", "GET", "POST")
    def promote(self, request, conversation):
        """Shows what becomes of the shared block, and how many conversations read it."""

        def preview(label):
            comparison = compare(conversation, label)
            try:
                promotion, moved = preview_promotion(conversation, label), False
            except SharedMoved:
                promotion, moved = preview_promotion(conversation, label, force=True), True
            return {
                "title": f"Promote {label} to the shared block?",
                "effective": comparison.effective,
                "change": diff(comparison.shared.value, promotion.block.value),
                "promotion": promotion,
                "moved": moved,
                "theirs": diff(comparison.isolation.base_value, comparison.shared.value),
            }

        def verb(label, seen):
            done = promote(
                conversation,
                label,
                by=actor(request),
                force=seen["force"],
                expected_version=seen["version"],
                shared_version=seen["shared_version"],
            )
            return f"Promoted {label}: {done.conversations} conversation(s) read it from now on."

        return self.ask(request, conversation, "promote", preview, verb)

    @button("change", "GET", "POST")
    def reset(self, request, conversation):
        """Shows what the isolated text loses."""

        def preview(label):
            comparison = compare(conversation, label)
            own = comparison.isolation.block.value
            return {
                "title": f"Reset {label} to the shared text?",
                "effective": comparison.effective,
                "change": diff(own, preview_reset(conversation, label).block.value),
            }

        def verb(label, seen):
            reset(conversation, label, by=actor(request), expected_version=seen["version"])
            return f"Reset {label} to the shared text. Undo takes that back."

        return self.ask(request, conversation, "reset", preview, verb)

    @button("change", "GET", "POST")
    def rebase(self, request, conversation):
        """Shows the merged text; where both sides changed the same lines, asks which to keep."""

        def preview(label):
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

        def verb(label, seen):
            rebase(
                conversation,
                label,
                by=actor(request),
                resolution=seen.get("resolution"),
                expected_version=seen["version"],
                shared_version=seen["shared_version"],
            )
            return f"Rebased {label} on the shared text. Undo takes that back."

        form = MergeForm if "resolution" in request.POST else SeenForm
        return self.ask(request, conversation, "rebase", preview, verb, form=form)

    def ask(self, request, conversation, name, preview, verb, *, form=SeenForm):
        """Show what `preview` answers with GET, and apply `verb` with POST to what was seen.

        When something moved on meanwhile, the page is shown again, with what was typed.
        """
        label = label_of(request)
        typed = form(request.POST) if request.method == "POST" else None
        try:
            if typed and typed.is_valid():
                try:
                    self.done(request, conversation, verb(label, typed.cleaned_data))
                except DomainError as error:
                    self.message_user(request, f"Not done: {error}", messages.ERROR)
                    if form is SeenForm:
                        return redirect(request.get_full_path())
                else:
                    return self.show(conversation)
            context = preview(label)
        except DomainError as error:
            self.message_user(request, str(error), messages.ERROR)
            return self.show(conversation)
        if typed and form is MergeForm:
            context["form"] = typed
        return self.page(request, name, conversation, context)
