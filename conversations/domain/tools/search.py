"""The tool by which a model searches its conversation."""

from ...llm.tokens import shorten
from ...models import Conversation
from ..actor import Actor
from ..conversations.search import search_conversation
from ..errors import InvalidArgument

# Of each message found, so that results fit into the context window beside everything else.
MAX_RESULT_TOKENS = 500
MAX_RESULTS = 50


def conversation_search(
    conversation: Conversation, *, by: Actor, query: str, limit: int = 5
) -> str:
    """Return the messages that contain the words of the query, one per line.

    Those of the current turn, which the model has just read, are left out.
    """
    if not 1 <= limit <= MAX_RESULTS:
        raise InvalidArgument(f"limit: expected 1 to {MAX_RESULTS}, got {limit}")
    matches = search_conversation(conversation, query)
    if by.run:
        matches = matches.exclude(run=by.run)
    found = [
        f"[{message.created_at:%Y-%m-%d %H:%M} UTC] {message.role}: "
        f"{shorten(message.text, MAX_RESULT_TOKENS, ' […] ')}"
        for message in matches[:limit]
    ]
    return "\n".join(found) or f"No message of this conversation contains {query!r}"
