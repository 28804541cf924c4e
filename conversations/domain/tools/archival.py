"""The tools by which a model writes to its agent's archive and searches it."""

import json
from collections.abc import Mapping, Sequence
from typing import TypedDict, Unpack

from ...llm.tokens import shorten
from ...models import Agent, Conversation
from ..actor import Actor
from ..archives.archives import find_archive
from ..archives.memory import DEFAULT_RESULTS, MemoryFilter, search_memory
from ..archives.passages import insert_for_agent
from ..archives.search import MAX_RESULTS
from ..errors import InvalidArgument

# Of each passage found, so that results fit into the context window beside everything else.
MAX_RESULT_TOKENS = 1_000


class SearchArguments(TypedDict, total=False):
    """The arguments of `archival_memory_search` beside the query."""

    tags: list[str]
    tag_match_mode: str
    top_k: int
    start_datetime: str
    end_datetime: str


def archival_memory_insert(
    conversation: Conversation, *, by: Actor, content: str, tags: list[str] | None = None
) -> str:
    """Insert a passage. Its vector follows after the step's transaction."""
    if not content.strip():
        raise InvalidArgument("content: expected the text to remember, got an empty string")
    insert_for_agent(conversation.agent, {"text": content, "tags": tags or []}, by=by)
    return "None"  # What V1 returns.


def archival_memory_search(
    conversation: Conversation, *, by: Actor, query: str, **arguments: Unpack[SearchArguments]
) -> str:
    """Search by words. Within turns, a tool runner searches by meaning, too."""
    return search_archive(conversation.agent, query, **arguments)


def search_archive(
    agent: Agent,
    query: str,
    *,
    vectors: Mapping[str, Sequence[float]] | None = None,
    **arguments: Unpack[SearchArguments],
) -> str:
    """Return the best passages as a JSON array of {"id", "timestamp", "content", "tags"}.

    `vectors` are those of the query; without them, the search is by words.
    """
    top_k = arguments.get("top_k", DEFAULT_RESULTS)
    if not 1 <= top_k <= MAX_RESULTS:
        raise InvalidArgument(f"top_k: expected 1 to {MAX_RESULTS}, got {top_k}")
    archive = find_archive(agent)
    if archive is None:
        return "[]"
    where = MemoryFilter(
        arguments.get("tags", ()),
        arguments.get("tag_match_mode") == "all",
        arguments.get("start_datetime"),
        arguments.get("end_datetime"),
    )
    found = search_memory(agent, archive, query, where=where, limit=top_k, vectors=vectors)
    for memory in found:
        memory["content"] = shorten(memory["content"], MAX_RESULT_TOKENS, " […] ")
    return json.dumps(found, ensure_ascii=False)
