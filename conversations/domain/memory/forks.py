"""What a fork does with the labels that its original has isolated."""

from collections.abc import Mapping
from enum import StrEnum

from ...models import AgentBlock, Block, Conversation, IsolatedBlock
from ..actor import Actor, Source
from ..errors import Conflict, InvalidArgument, quoted
from .blocks import insert_blocks
from .isolation import copy_into
from .periods import begin_periods


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
    copies: list[Block] = []
    links: list[IsolatedBlock] = []
    for isolation in isolations:
        if choices.get(isolation.label) == ForkChoice.SHARE:
            continue
        shared = shared_blocks.get(isolation.label)
        copy = copy_into(fork, shared or isolation.block, by=by)
        copies.append(copy)
        links.append(
            IsolatedBlock(
                conversation=fork,
                block=copy,
                label=isolation.label,
                source_block_id=shared.pk if shared else isolation.source_block_id,
                base_value=shared.value if shared else isolation.base_value,
                base_version=shared.version if shared else isolation.base_version,
            )
        )
    insert_blocks(
        copies,
        by=by._replace(source=Source.FORK),
        reason=f"forked from {original.pk}",
        base_versions=[link.base_version for link in links],
    )
    begin_periods(IsolatedBlock.objects.bulk_create(links), by=by, at=fork.created_at)


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
