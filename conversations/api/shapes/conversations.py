"""JSON of conversations."""

from datetime import datetime
from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from ...domain.memory.effective import BlockVersion, block_versions_of
from ...domain.memory.prompt import is_stale
from ...models import Conversation, ConversationMessage
from .fields import JSONObject, attributes


class ForkedFromJSON(TypedDict):
    """Where a fork branched off."""

    conversation_id: str
    message_id: str | None


class ConversationAttributes(TypedDict):
    """What a conversation stores."""

    id: str
    agent_id: str
    summary: str | None
    description: str | None
    model: str | None
    model_settings: JSONObject | None
    context_window_limit: int | None
    archived_at: datetime | None
    hidden: bool
    version: Annotated[int, Field(description="Counts changes to the conversation's own fields.")]
    last_message_at: datetime | None
    created_at: datetime
    updated_at: datetime
    created_by_id: str | None
    last_updated_by_id: str | None


class ConversationJSON(ConversationAttributes):
    """A conversation as the client's `Conversation` type reads it.

    This server adds `version`, `stale` and `forked_from`.
    """

    in_context_message_ids: list[str]
    isolated_block_ids: list[str]
    archived: bool
    stale: Annotated[bool, Field(description="Whether the stored prompt is older than memory.")]
    forked_from: ForkedFromJSON | None


def conversations_json(conversations: list[Conversation]) -> list[ConversationJSON]:
    """Return the JSON of conversations, in three queries."""
    in_context: dict[str, list[str]] = {conversation.pk: [] for conversation in conversations}
    links = ConversationMessage.objects.filter(conversation__in=in_context).in_context()
    for conversation_id, message_id in links.values_list("conversation_id", "message_id"):
        in_context[conversation_id].append(message_id)
    blocks = block_versions_of(conversations)
    return [_conversation_json(c, in_context[c.pk], blocks[c.pk]) for c in conversations]


def _conversation_json(
    conversation: Conversation, in_context: list[str], blocks: list[BlockVersion]
) -> ConversationJSON:
    # Ordered as the labels were isolated, not as in the prompt.
    isolated = sorted((b.isolation_id, b.block_id) for b in blocks if b.isolation_id)
    forked_from: ForkedFromJSON | None = None
    if conversation.forked_from_id:
        forked_from = {
            "conversation_id": conversation.forked_from_id,
            "message_id": conversation.forked_at_message_id,
        }
    return {
        **attributes(ConversationAttributes, conversation),
        "in_context_message_ids": in_context,
        "isolated_block_ids": [block_id for _, block_id in isolated],
        "archived": conversation.archived_at is not None,
        "stale": is_stale(conversation, blocks),
        "forked_from": forked_from,
    }
