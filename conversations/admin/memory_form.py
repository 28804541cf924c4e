"""The memory panel of a conversation: its effective blocks, the isolated ones as editable texts."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.safestring import SafeString

from ..domain.actor import Actor
from ..domain.errors import DomainError, InvalidArgument
from ..domain.memory.blocks import write_block
from ..domain.memory.effective import EffectiveBlock
from ..domain.memory.revisions import EditMoves, edit_moves
from ..llm.tokens import count_tokens
from ..models import Conversation, IsolatedBlock
from ..models.blocks import NEARLY_FULL
from .display import diff
from .fields import PlainTextField
from .forms import RefusableForm

NOT_SAVED = "Nothing was saved. Correct the texts marked in the memory panel."


class MemoryForm(RefusableForm):
    """The text of one isolated block, and its version when the page was opened."""

    value = PlainTextField(required=False, label="Isolated text", widget=forms.Textarea)
    version = forms.IntegerField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.instance._state.adding:
            block = self.instance.block
            self.initial = {**self.initial, "value": block.value, "version": block.version}
            attrs = self.fields["value"].widget.attrs
            attrs["aria-label"] = f"Isolated text of {block.label}"
            attrs["rows"] = min(max(block.value.count("\n") + 2, 4), 20)

    def _post_clean(self) -> None:
        """Skip the row itself: only its block's text is edited."""


if TYPE_CHECKING:
    _FormSet = forms.BaseInlineFormSet[IsolatedBlock, Conversation, MemoryForm]
else:
    _FormSet = forms.BaseInlineFormSet


class BaseMemoryFormSet(_FormSet):
    """The forms of a conversation's isolated blocks."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        rows = IsolatedBlock.objects.in_order().select_related("block")
        super().__init__(*args, **{**kwargs, "queryset": rows})
        # Django's admin logs changes from these.
        self.new_objects: list[IsolatedBlock] = []
        self.changed_objects: list[tuple[IsolatedBlock, list[str]]] = []
        self.deleted_objects: list[IsolatedBlock] = []

    def write_texts(self, by: Actor) -> None:
        """Write the texts that the operator changed; raise if a verb refuses one of them."""
        for form in self.initial_forms:
            if "value" not in form.changed_data:
                continue
            data = form.cleaned_data
            try:
                block, version = form.instance.block, data["version"]
                write_block(block, by=by, expected_version=version, value=data["value"])
            except DomainError as error:
                form.refuse(error)
                raise InvalidArgument(NOT_SAVED) from error
            self.changed_objects.append((form.instance, ["value"]))

    @property
    def orphaned_texts(self) -> list[str]:
        """Texts typed for isolated blocks that were released while the page was open."""
        return [form["value"].value() for form in self.forms if form.instance.pk is None]


MemoryFormSet: Any = forms.inlineformset_factory(
    Conversation, IsolatedBlock, MemoryForm, BaseMemoryFormSet, fields=[], extra=0, can_delete=False
)


@dataclass(frozen=True)
class MemoryRow:
    """One label of the panel; `form` and `moves` if it is isolated."""

    effective: EffectiveBlock
    base: str
    form: MemoryForm | None
    moves: EditMoves | None
    was_released: bool  # whether a released isolated block can be restored
    nearly_full: int  # characters from which the meter warns
    tokens: int  # as estimated

    @property
    def shared_change(self) -> SafeString:
        """The shared text, marked where it differs from the base."""
        shared = self.effective.shared
        return diff(self.base, shared.value if shared else "")

    @property
    def isolated_change(self) -> SafeString:
        """The isolated text, marked where it differs from the base."""
        return diff(self.base, self.effective.block.value)


def memory_rows(
    conversation: Conversation, blocks: list[EffectiveBlock], formset: BaseMemoryFormSet
) -> list[MemoryRow]:
    """Return the effective blocks in prompt order, each isolated one with its form."""
    forms_by_id = {form.instance.pk: form for form in formset.forms}
    moves = edit_moves([e.block for e in blocks if e.isolation])
    released = set(conversation.own_blocks.out_of_force().values_list("label", flat=True))
    return [
        MemoryRow(
            effective,
            base=effective.isolation.base_value if effective.isolation else "",
            form=forms_by_id.get(effective.isolation.pk) if effective.isolation else None,
            moves=moves.get(effective.block.pk),
            was_released=effective.label in released,
            nearly_full=int(NEARLY_FULL * effective.block.limit),
            tokens=count_tokens(effective.block.value),
        )
        for effective in blocks
    ]
