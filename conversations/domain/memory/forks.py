"""What a fork does with the labels that its original has isolated."""

from collections.abc import Mapping
from enum import StrEnum

from ...models import AgentBlock, Block, Conversation, IsolatedBlock
from ..actor import Actor, Source
from ..errors import Conflict, InvalidArgument, quoted
from .isolation import copy_into, insert_isolated, isolated_copy


class ForkChoice(StrEnum):
    """What a fork reads as a label that its original has isolated.

    `copy`: a copy of the isolated block, with its base. `share`: the shared block. `reset`: a new
    copy of the shared block.
    """

    COPY = "copy"
    SHARE = "share"
    RESET = "reset"


def fork_isolations(
    original: Conversation, fork: Conversation, choices: Mapping[str, ForkChoice], *, by: Actor
) -> None:
    """Give a new fork its isolated blocks. Labels without a choice are copied."""
    isolations = list(original.isolations.in_order().select_related("block"))
    labels = [isolation.label for isolation in isolations]
    if unknown := [label for label in choices if label not in labels]:
        raise InvalidArgument(
            f"Conversation '{original.pk}' has not isolated {quoted(unknown)}; "
            f"its isolated labels are {quoted(labels)}"
        )
    shared_blocks = _shared_blocks_to_reset(original, choices)
    links: list[IsolatedBlock] = []
    for isolation in isolations:
        choice = choices.get(isolation.label, ForkChoice.COPY)
        if choice == ForkChoice.RESET:
            links.append(isolated_copy(fork, shared_blocks[isolation.label], by=by))
        elif choice == ForkChoice.COPY:
            copy = IsolatedBlock(
                conversation=fork,
                block=copy_into(fork, isolation.block, by=by),
                label=isolation.label,
                source_block_id=isolation.source_block_id,
                base_value=isolation.base_value,
                base_version=isolation.base_version,
            )
            links.append(copy)
    by = by._replace(source=Source.FORK)
    insert_isolated(links, by=by, reason=f"forked from {original.pk}", at=fork.created_at)


def _shared_blocks_to_reset(
    original: Conversation, choices: Mapping[str, ForkChoice]
) -> dict[str, Block]:
    labels = [label for label, choice in choices.items() if choice == ForkChoice.RESET]
    if not labels:
        return {}
    links = AgentBlock.objects.filter(agent=original.agent_id, label__in=labels)
    shared = {link.label: link.block for link in links.select_related("block")}
    if gone := [label for label in labels if label not in shared]:
        raise Conflict(
            f"The agent no longer has a block with label {gone[0]!r}; 'copy' keeps the isolated one"
        )
    return shared
