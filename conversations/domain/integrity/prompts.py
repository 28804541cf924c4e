"""Rules about stored system messages, checked in batches."""

from collections.abc import Iterator

from ...models import Conversation, ConversationMessage, Organization
from ...models.conversations import ConversationQuerySet
from ..batches import in_batches
from ..memory.effective import effective_blocks_of
from ..memory.prompt import is_stale, stale_conversations
from .rows import BrokenRow

# Smaller batches than elsewhere, because the texts are read.
CONVERSATION_BATCH_SIZE = 100


def _live(organization: Organization | None) -> ConversationQuerySet:
    conversations = Conversation.objects.live()
    return conversations.in_organization(organization) if organization else conversations


def uncompiled(organization: Organization | None) -> Iterator[BrokenRow]:
    """Yield conversations that do not record what their system message was compiled from."""
    missing = _live(organization).filter(compiled_from={})
    for pk in missing.order_by("pk").values_list("pk", flat=True).iterator():
        yield BrokenRow(pk, "does not record what its system message was compiled from")


def stale_defaults(organization: Organization | None) -> Iterator[BrokenRow]:
    """Yield stale default conversations. Others may be stale until their next turn."""
    defaults = _live(organization).filter(is_default=True).exclude(compiled_from={})
    for batch in stale_conversations(defaults):
        for conversation in batch:
            problem = f"is stale, but is the default conversation of {conversation.agent_id}"
            yield BrokenRow(conversation.pk, problem)


def incomplete_prompts(organization: Organization | None) -> Iterator[BrokenRow]:
    """Yield conversations whose fresh system message lacks a part of memory."""
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
            parts = {"the agent's system prompt": conversation.agent.system}
            for read in blocks:
                block = f"{read.label!r}, {read.origin} block {read.block_id}"
                parts[f"the value of {block}"] = read.block.value
            for name, part in parts.items():
                if part not in message.text:
                    yield BrokenRow(conversation.pk, f"its system message lacks {name}")


PROMPT_RULES = {
    "prompt_is_compiled": uncompiled,
    "default_prompt_follows_memory": stale_defaults,
    "fresh_prompt_contains_memory": incomplete_prompts,
}
