"""Find conversations whose stored prompt no longer matches memory."""

from collections.abc import Iterator

from ...models import Conversation
from ...models.conversations import ConversationQuerySet
from ..batches import in_batches
from .effective import block_versions_of
from .prompt import is_stale


def stale_conversations(conversations: ConversationQuerySet) -> Iterator[list[Conversation]]:
    """Yield the stale ones of `conversations` in batches. Reads versions, not texts."""
    for batch in in_batches(conversations.select_related("agent")):
        blocks = block_versions_of(batch)
        if stale := [c for c in batch if is_stale(c, blocks[c.pk])]:
            yield stale
