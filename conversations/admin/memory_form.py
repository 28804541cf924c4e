"""The memory panel of a conversation: what it reads, with its isolated blocks as editable texts."""

from dataclasses import dataclass

from django import forms
from django.contrib import admin

from ..domain.memory.blocks import write_block
from ..domain.memory.effective import EffectiveBlock
from ..llm.tokens import count_tokens
from ..models import IsolatedBlock
from ..models.blocks import NEARLY_FULL
from .display import diff
from .fields import PlainTextField
from .forms import RefusableForm, refusable
from .scope import actor


class MemoryForm(RefusableForm, forms.ModelForm):
    """The text of one isolated block, and the version it had when the page was opened."""

    value = PlainTextField(required=False, label="Isolated text", widget=forms.Textarea)
    version = forms.IntegerField(widget=forms.HiddenInput)

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if not self.instance._state.adding:
            block = self.instance.block
            self.initial |= {"value": block.value, "version": block.version}
            attrs = self.fields["value"].widget.attrs
            attrs["aria-label"] = f"Isolated text of {block.label}"
            attrs["rows"] = min(max(block.value.count("\n") + 2, 4), 20)


class MemoryInline(admin.StackedInline):
    """Whoever may change the conversation may edit its memory."""

    model = IsolatedBlock
    form = MemoryForm
    fields = ["value", "version"]
    template = "admin/conversations/conversation/memory.html"

    def get_queryset(self, request):
        return super().get_queryset(request).in_order().select_related("block")

    def get_formset(self, request, obj=None, **kwargs):
        formset = super().get_formset(request, obj, **kwargs)
        formset.form.refusals = getattr(request, "refusals", {})
        return formset

    def has_view_permission(self, request, obj=None):
        return request.user.has_perm("conversations.view_conversation")

    def has_change_permission(self, request, obj=None):
        return request.user.has_perm("conversations.change_conversation")

    def has_add_permission(self, request, obj=None):
        return False

    def has_delete_permission(self, request, obj=None):
        return False


@dataclass(frozen=True)
class Row:
    """One label of the panel; `form` when the text may be edited here."""

    effective: EffectiveBlock
    form: MemoryForm | None
    was_released: bool  # whether an own copy, out of force, could be brought back

    @property
    def nearly_full(self):
        return int(NEARLY_FULL * self.effective.block.limit)

    @property
    def tokens(self):
        return count_tokens(self.effective.block.value)

    @property
    def shared_change(self):
        """The shared text, marked where it differs from the base."""
        return diff(self.effective.isolation.base_value, self.effective.shared.value)

    @property
    def own_change(self):
        return diff(self.effective.isolation.base_value, self.effective.block.value)


def rows(conversation, blocks, formset) -> list[Row]:
    """The effective blocks in prompt order, each isolated one with its form."""
    form_by_id = {form.instance.pk: form for form in formset.forms}
    released = set(conversation.own_blocks.out_of_force().values_list("label", flat=True))
    return [
        Row(e, form_by_id.get(e.isolation.pk) if e.isolation else None, e.label in released)
        for e in blocks
    ]


def lost_texts(formset) -> list[str]:
    """What was typed into isolated blocks that somebody released meanwhile."""
    return [form["value"].value() for form in formset.forms if form.instance.pk is None]


def save_texts(request, formset):
    """Write the texts that the operator changed, all of them or none."""
    formset.new_objects, formset.deleted_objects, formset.changed_objects = [], [], []
    for form in formset.initial_forms:
        if "value" in form.changed_data:
            with refusable(request, form):
                write_block(
                    form.instance.block,
                    by=actor(request),
                    expected_version=form.cleaned_data["version"],
                    value=form.cleaned_data["value"],
                )
            formset.changed_objects.append((form.instance, ["value"]))
