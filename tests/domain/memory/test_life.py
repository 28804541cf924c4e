"""Any sequence of verbs leads to the state of a simple model and breaks no rule."""

import pytest
from django.db import transaction
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from conversations.domain.conversations.agents import attach_block, detach_block
from conversations.domain.conversations.conversations import (
    create_conversation,
    delete_conversation,
    fork_conversation,
    restore_conversation,
)
from conversations.domain.errors import BlockTooLong, DomainError, StaleVersion
from conversations.domain.integrity.check import find_breaches
from conversations.domain.memory.blocks import write_block
from conversations.domain.memory.bulk import rebase_all, reset_all
from conversations.domain.memory.drift import MergeConflict, SharedMoved, promote, rebase, reset
from conversations.domain.memory.effective import effective_blocks
from conversations.domain.memory.forks import ForkChoice
from conversations.domain.memory.isolation import isolate_label, release_label
from conversations.domain.memory.label_edits import edit_label
from conversations.domain.memory.revisions import (
    NothingToRedo,
    NothingToUndo,
    redo,
    restore_revision,
    undo,
)
from conversations.models import IsolatedBlock

from ...factories import actor, make_agent, make_member
from .life_model import ConversationModel, Own, Text, drift, merged

LABELS = ["human", "todo"]
texts = st.sampled_from(["", "one", "two", "one\ntwo", "ONE\ntwo", "one\nTWO", "one\ntwo\nthree"])
labels = st.sampled_from(LABELS)
# The index of a conversation, modulo their number.
which = st.integers(0, 20)


class Life(RuleBasedStateMachine):
    @initialize()
    def begin(self):
        # Rolled back at the end, so that examples do not share rows.
        self.atomic = transaction.atomic()
        self.atomic.__enter__()
        self.agent = make_agent(make_member(), labels=LABELS)
        self.blocks = {block.label: block for block in self.agent.blocks.all()}
        self.shared = {label: Text(f"about {label}") for label in LABELS}
        self.attached = set(LABELS)
        self.conversations: list[ConversationModel] = []
        self.create(LABELS)

    def teardown(self):
        if hasattr(self, "atomic"):
            try:
                assert list(find_breaches()) == []
            finally:
                transaction.set_rollback(True)
                self.atomic.__exit__(None, None, None)

    def conversation(self, index: int, label: str | None = None) -> ConversationModel:
        """Return a live conversation, most often one that has isolated the label."""
        live = [conversation for conversation in self.conversations if not conversation.deleted]
        isolating = [conversation for conversation in live if label in conversation.own]
        if isolating and index % 4:
            live = isolating
        return live[index % len(live)]

    def common(self, label: str) -> Text | None:
        return self.shared[label] if label in self.attached else None

    def expect(self, kind: type[Exception], call) -> None:
        with pytest.raises(kind):
            call()

    @rule(isolated=st.lists(labels, unique=True))
    def create(self, isolated):
        def call():
            return create_conversation(self.agent, by=actor(), isolated_labels=isolated)

        if set(isolated) - self.attached:
            self.expect(DomainError, call)
            return
        own = {label: self.copy(label) for label in isolated}
        self.conversations.append(ConversationModel(call(), own))

    def copy(self, label: str) -> Own:
        value = self.shared[label].value
        return Own(value, base=value)

    @rule(index=which, label=labels)
    def isolate(self, index, label):
        conversation = self.conversation(index)

        def call():
            isolate_label(conversation.row, label, by=actor())

        if label not in conversation.own and label not in self.attached:
            self.expect(DomainError, call)
            return
        call()
        conversation.own.setdefault(label, self.copy(label))

    @rule(index=which, label=labels)
    def release(self, index, label):
        conversation = self.conversation(index, label)
        if conversation.own.pop(label, None) is None:
            self.expect(DomainError, lambda: release_label(conversation.row, label, by=actor()))
        else:
            release_label(conversation.row, label, by=actor())

    @rule(label=labels, value=texts)
    def edit_shared(self, label, value):
        write_block(self.blocks[label], by=actor(), value=value)
        self.shared[label].write(value)

    @rule(label=labels, value=texts)
    def edit_shared_on_an_old_version(self, label, value):
        text = self.shared[label]
        if value != text.value:
            wrong = text.edits + 1
            self.expect(
                StaleVersion,
                lambda: write_block(
                    self.blocks[label], by=actor(), value=value, expected_version=wrong
                ),
            )

    @rule(label=labels)
    def undo_shared(self, label):
        if self.shared[label].before:
            undo(self.blocks[label], by=actor())
            self.shared[label].undo()
        else:
            self.expect(NothingToUndo, lambda: undo(self.blocks[label], by=actor()))

    @rule(label=labels)
    def redo_shared(self, label):
        if self.shared[label].undone:
            redo(self.blocks[label], by=actor())
            self.shared[label].redo()
        else:
            self.expect(NothingToRedo, lambda: redo(self.blocks[label], by=actor()))

    @rule(label=labels, values=st.lists(texts, min_size=2, max_size=4), back=st.integers(2, 4))
    def edit_shared_and_undo(self, label, values, back):
        for value in values:
            self.edit_shared(label, value)
        for _ in range(back):
            self.undo_shared(label)
        self.redo_shared(label)

    @rule(index=which, label=labels, value=texts)
    def edit_isolated_block(self, index, label, value):
        conversation = self.conversation(index, label)
        if label in conversation.own:
            block = conversation.row.isolations.get(label=label).block
            write_block(block, by=actor(), value=value)
            conversation.own[label].write(value)

    @rule(index=which, label=labels, force=st.booleans())
    def promote(self, index, label, force):
        conversation, shared = self.conversation(index, label), self.common(label)
        own = conversation.own.get(label)

        def call():
            promote(conversation.row, label, by=actor(), force=force)

        if own is None or shared is None:
            self.expect(DomainError, call)
        elif not force and shared.value not in (own.base, own.value):
            self.expect(SharedMoved, call)
        else:
            call()
            shared.write(own.value)
            own.base = shared.value

    @rule(index=which, label=labels)
    def reset(self, index, label):
        conversation, shared = self.conversation(index, label), self.common(label)
        if label not in conversation.own or shared is None:
            self.expect(DomainError, lambda: reset(conversation.row, label, by=actor()))
            return
        reset(conversation.row, label, by=actor())
        self.take(conversation.own[label], shared.value, shared)

    @rule(index=which, label=labels, resolution=texts)
    def rebase(self, index, label, resolution):
        conversation, shared = self.conversation(index, label), self.common(label)
        own = conversation.own.get(label)
        if own is None or shared is None:
            self.expect(DomainError, lambda: rebase(conversation.row, label, by=actor()))
            return
        value = merged(own.base, shared.value, own.value)
        if value is None:
            self.expect(MergeConflict, lambda: rebase(conversation.row, label, by=actor()))
            value = resolution
            rebase(conversation.row, label, by=actor(), resolution=resolution)
        else:
            rebase(conversation.row, label, by=actor())
        self.take(own, value, shared)

    @rule(
        index=which,
        label=labels,
        mine=texts,
        theirs=texts,
        verb=st.sampled_from(["promote", "force", "reset", "rebase"]),
    )
    def diverge_and_reconcile(self, index, label, mine, theirs, verb):
        # The rules above rarely do this by chance: both sides change, then a verb follows.
        self.edit_isolated_block(index, label, mine)
        self.edit_shared(label, theirs)
        if verb in ("promote", "force"):
            self.promote(index, label, force=verb == "force")
        elif verb == "reset":
            self.reset(index, label)
        else:
            self.rebase(index, label, resolution=mine)

    def take(self, own: Own, value: str, shared: Text) -> None:
        own.write(value)
        own.base = shared.value

    @rule(label=labels, rebasing=st.booleans())
    def reset_or_rebase_all(self, label, rebasing):
        shared = self.common(label)
        own = [t.own[label] for t in self.conversations if label in t.own and not t.deleted]
        if shared is None and not own:
            return
        verb = rebase_all if rebasing else reset_all
        list(verb(self.agent, label, by=actor()))
        for text in own if shared else []:
            value = merged(text.base, shared.value, text.value) if rebasing else shared.value
            if value is not None:
                self.take(text, value, shared)

    @rule(index=which, label=labels, choice=st.sampled_from(ForkChoice))
    def fork(self, index, label, choice):
        conversation = self.conversation(index, label)
        choices = {label: choice}

        def call():
            return fork_conversation(conversation.row, by=actor(), choices=choices)

        resets = {label for label, choice in choices.items() if choice == ForkChoice.RESET}
        if choices.keys() - conversation.own.keys() or resets - self.attached:
            self.expect(DomainError, call)
            return
        own = {
            label: self.copy(label) if label in resets else Own(text.value, base=text.base)
            for label, text in conversation.own.items()
            if choices.get(label) != ForkChoice.SHARE
        }
        self.conversations.append(ConversationModel(call(), own))

    @rule(label=labels, number=st.integers(1, 6))
    def restore_shared(self, label, number):
        text = self.shared[label]

        def call():
            restore_revision(self.blocks[label], number, by=actor())

        if number > text.edits:
            self.expect(DomainError, call)
            return
        call()
        text.write([*text.said, text.value][number - 1])

    @rule(index=which, label=labels, value=texts)
    def edit_effective_block(self, index, label, value):
        conversation = self.conversation(index)
        text = conversation.own.get(label) or self.common(label)

        def call():
            edit_label(conversation.row, label, by=actor(), edit=lambda block: {"value": value})

        if text is None:
            self.expect(DomainError, call)
            return
        call()
        text.write(value)

    @rule(label=labels)
    def write_past_the_limit(self, label):
        self.expect(
            BlockTooLong,
            lambda: write_block(self.blocks[label], by=actor(), value="x" * 100_001),
        )

    @rule(index=which)
    def act_on_unknown_label(self, index):
        conversation = self.conversation(index)
        for verb in (isolate_label, release_label, promote, reset, rebase):
            self.expect(DomainError, lambda verb=verb: verb(conversation.row, "mood", by=actor()))

    @precondition(lambda self: len([t for t in self.conversations if not t.deleted]) > 1)
    @rule(index=which)
    def delete(self, index):
        conversation = self.conversation(index)
        delete_conversation(conversation.row, by=actor())
        conversation.deleted = True

    @rule(index=which)
    def restore(self, index):
        conversation = self.conversations[index % len(self.conversations)]
        restore_conversation(conversation.row, by=actor())
        conversation.deleted = False

    @rule(label=labels)
    def detach(self, label):
        def call():
            detach_block(self.agent, self.blocks[label], by=actor())

        if label in self.attached:
            call()
            self.attached.remove(label)
        else:
            self.expect(DomainError, call)

    @rule(label=labels)
    def attach(self, label):
        attach_block(self.agent, self.blocks[label], by=actor())
        self.attached.add(label)

    @invariant()
    def memory_matches_the_model(self):
        for conversation in getattr(self, "conversations", []):
            read = {
                e.label: (e.origin, e.block.value, e.version, e.drift)
                for e in effective_blocks(conversation.row)
            }
            wanted = {
                label: ("shared", text.value, text.edits, None)
                for label, text in self.shared.items()
                if label in self.attached
            } | {
                label: ("isolated", text.value, text.edits, drift(text, self.common(label)))
                for label, text in conversation.own.items()
            }
            assert read == wanted
            rows = IsolatedBlock.objects.filter(conversation=conversation.row).with_drift()
            # Compare the base too: a wrong base can lead to the same drift until the next edit.
            assert {row.label: (row.drift, row.base_value) for row in rows} == {
                label: (wanted[label][3], own.base) for label, own in conversation.own.items()
            }


@pytest.mark.django_db
def test_any_sequence_of_verbs_matches_the_model():
    run_state_machine_as_test(
        Life,
        settings=settings(
            max_examples=30,
            stateful_step_count=40,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.generate],  # shrinking takes minutes; enable it by hand
            suppress_health_check=list(HealthCheck),
        ),
    )
