"""Rules about stored system messages. What they are compiled from is compared here, in batches."""

from collections.abc import Iterator

from ...models import Conversation, ConversationMessage, Organization
from ..batches import in_batches
from ..memory.effective import effective_blocks_of
from ..memory.prompt import is_stale
from ..memory.staleness import stale_conversations

# With all their texts, so fewer at once.
CONVERSATION_BATCH_SIZE = 100


def _live(organization: Organization | None):
    conversations = Conversation.objects.live()
    return conversations.in_organization(organization) if organization else conversations


def uncompiled(organization: Organization | None) -> Iterator[tuple[str, str]]:
    """Every conversation says what its system message was compiled from."""
    missing = _live(organization).filter(compiled_from={}).order_by("pk")
    for pk in missing.values_list("pk", flat=True).iterator():
        yield pk, "does not say what its system message was compiled from"


def stale_defaults(organization: Organization | None) -> Iterator[tuple[str, str]]:
    """An agent's default conversation is recompiled with the change; others may be stale."""
    defaults = _live(organization).filter(is_default=True).exclude(compiled_from={})
    for batch in stale_conversations(defaults):
        for conversation in batch:
            yield conversation.pk, f"is stale, the default conversation of {conversation.agent_id}"


def untrue_prompts(organization: Organization | None) -> Iterator[tuple[str, str]]:
    """A stored system message that is not stale says what memory says."""
    compiled = _live(organization).exclude(compiled_from={}).select_related("agent")
    for batch in in_batches(compiled, CONVERSATION_BATCH_SIZE):
        links = ConversationMessage.objects.filter(conversation__in=batch, position=0)
        stored = {link.conversation_id: link.message for link in links.select_related("message")}
        effective = effective_blocks_of(batch)
        for conversation in batch:
            blocks = effective[conversation.pk]
            message = stored.get(conversation.pk)
            if message is None or is_stale(conversation, blocks):
                continue
            text = message.text
            if conversation.agent.system not in text:
                yield conversation.pk, "its system message lacks the agent's system prompt"
            for read in blocks:
                if read.block.value not in text:
                    what = f"{read.label!r}, {read.origin} block {read.block.pk}"
                    yield conversation.pk, f"its system message lacks the value of {what}"


PROMPT_RULES = {
    "prompt_is_compiled": uncompiled,
    "default_prompt_follows_memory": stale_defaults,
    "prompt_says_what_memory_says": untrue_prompts,
}
