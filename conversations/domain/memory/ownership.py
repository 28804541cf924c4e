"""An isolated block belongs to its conversation for life.

It can't be renamed, attached to an agent or deleted; its label is released instead.
"""

from ...models import Agent, Block
from ..errors import BelongsToConversation


def check_can_rename(block: Block) -> None:
    """Raise BelongsToConversation for an isolated block: it overrides the label it has."""
    _check_not_isolated(block, "take another label; it stands in for that one")


def check_can_attach(block: Block, agent: Agent) -> None:
    """Raise BelongsToConversation for an isolated block: only its conversation reads it."""
    _check_not_isolated(block, f"be attached to agent '{agent.pk}'")


def check_can_delete(block: Block) -> None:
    """Raise BelongsToConversation for an isolated block: its history survives its release."""
    _check_not_isolated(block, "be deleted; release its label there instead")


def _check_not_isolated(block: Block, action: str) -> None:
    if block.is_isolated:
        raise BelongsToConversation(block.pk, block.conversation_id, action)
