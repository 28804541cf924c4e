"""What a fork does with the labels that its source has isolated."""

from collections.abc import Mapping
from enum import StrEnum

from ...models import AgentBlock, Block, Conversation, IsolatedBlock
from ..actor import Actor, Source
from ..errors import Conflict, InvalidArgument
from .blocks import insert_blocks
from .isolation import own_copy
from .periods import begin_periods


class ForkChoice(StrEnum):
    """`copy`: a copy of the isolated block, with its base. `share`: the fork reads the shared
    block. `reset`: a copy of the shared block as it is now."""

    COPY = "copy"
    SHARE = "share"
    RESET = "reset"


def fork_isolations(
    source: Conversation,
    fork: Conversation,
    choices: Mapping[str, ForkChoice],
    *,
    by: Actor,
) -> None:
    """Give a new fork its own blocks, which nobody else can see yet."""
    isolations = list(source.isolations.in_order().select_related("block"))
    _check(source, [isolation.label for isolation in isolations], choices)
    kept = [i for i in isolations if choices.get(i.label) != ForkChoice.SHARE]
    shared = _shared_to_reset(source, choices)
    copies: list[Block] = []
    links: list[IsolatedBlock] = []
    for isolation in kept:
        common = shared.get(isolation.label)
        copy = own_copy(fork, common or isolation.block, by=by)
        copies.append(copy)
        links.append(
            IsolatedBlock(
                conversation=fork,
                block=copy,
                label=isolation.label,
                source_block_id=common.pk if common else isolation.source_block_id,
                base_value=common.value if common else isolation.base_value,
                base_version=common.version if common else isolation.base_version,
            )
        )
    insert_blocks(
        copies,
        by=by._replace(source=Source.FORK),
        reason=f"forked from {source.pk}",
        base_versions=[link.base_version for link in links],
    )
    begin_periods(IsolatedBlock.objects.bulk_create(links), by=by, at=fork.created_at)


def _check(source: Conversation, isolated: list[str], choices: Mapping[str, ForkChoice]) -> None:
    if unknown := [label for label in choices if label not in isolated]:
        wanted = ", ".join(repr(label) for label in unknown)
        has = ", ".join(repr(label) for label in isolated) or "none"
        raise InvalidArgument(
            f"isolated_blocks names {wanted}, which conversation '{source.pk}' has not isolated; "
            f"its isolated labels are {has}"
        )


def _shared_to_reset(source: Conversation, choices: Mapping[str, ForkChoice]) -> dict[str, Block]:
    """The agent's blocks of the labels that the fork takes anew."""
    labels = [label for label, choice in choices.items() if choice == ForkChoice.RESET]
    if not labels:
        return {}
    links = AgentBlock.objects.filter(agent=source.agent_id, label__in=labels)
    shared = {link.label: link.block for link in links.select_related("block")}
    if gone := [label for label in labels if label not in shared]:
        raise Conflict(
            f"The agent no longer has a block with label {gone[0]!r}; 'copy' keeps the isolated one"
        )
    return shared
