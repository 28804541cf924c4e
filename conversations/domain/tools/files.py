"""The tools by which a model reads the files of its agent's folders."""

import fnmatch
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import re2

from ...models import Agent, AgentFile, Archive, Conversation, Passage
from ..actor import Actor
from ..archives.search import search_passages
from ..errors import InvalidArgument
from ..folders.open_files import Opening, name_of, open_files, text_of

MAX_PATTERN_LENGTH = 1_000
MAX_CONTEXT_LINES = 20
# Matches in one result of grep_files; `offset` continues.
PAGE = 20
# Of a line of a file, in a result.
MAX_LINE = 500
DEFAULT_RESULTS = 5
MAX_RESULTS = 50
# A search uses the vectors of this many embedding models.
MAX_MODELS = 4


def open_agent_files(
    conversation: Conversation,
    *,
    by: Actor,
    file_requests: list[dict[str, Any]],
    close_all_others: bool = False,
) -> str:
    """Open files, and return what the agent reads of them from now on."""
    if not file_requests:
        raise InvalidArgument("file_requests: expected at least one file")
    agent = conversation.agent
    openings = [_opening(agent, request) for request in file_requests]
    closed = open_files(agent, openings, closes_others=close_all_others)
    parts = [f"{name_of(each.link.file)}\n{text_of(agent, each.link)}" for each in openings]
    if closed:
        parts.append(f"Closed: {', '.join(closed)}")
    return "\n\n".join(parts)


def _opening(agent: Agent, request: dict[str, Any]) -> Opening:
    name, offset, length = request["file_name"], request.get("offset"), request.get("length")
    if offset is not None and not 0 <= offset < 2**31:
        raise InvalidArgument(f"offset: expected at least 0, got {offset}")
    if length is not None and not 1 <= length < 2**31:
        raise InvalidArgument(f"length: expected at least 1, got {length}")
    folder, _, file = name.partition("/")
    rows = agent.file_links.with_content().filter(file__folder__name=folder, file__name=file)
    link = rows.first()
    if link is None:
        raise InvalidArgument(f"file_name: no attached folder has {name!r}; expected folder/file")
    if link.file.content is None:
        raise InvalidArgument(f"file_name: {name!r} has no text: {link.file.error or 'not yet'}")
    return Opening(link, offset, length)


def grep_files(
    conversation: Conversation,
    *,
    by: Actor,
    pattern: str,
    include: str = "*",
    context_lines: int = 1,
    offset: int = 0,
) -> str:
    """Return the lines that match a regular expression, PAGE of them from number `offset`.

    RE2 needs time in proportion to the text, whatever the pattern.
    """
    if len(pattern) > MAX_PATTERN_LENGTH:
        raise InvalidArgument(f"pattern: expected at most {MAX_PATTERN_LENGTH} characters")
    if not 0 <= context_lines <= MAX_CONTEXT_LINES:
        raise InvalidArgument(f"context_lines: expected 0 to {MAX_CONTEXT_LINES}")
    if offset < 0:
        raise InvalidArgument(f"offset: expected at least 0, got {offset}")
    options = re2.Options()
    options.case_sensitive, options.log_errors = False, False
    try:
        expression = re2.compile(pattern, options)
    except re2.error as error:
        raise InvalidArgument(f"pattern: not a regular expression of RE2: {error}") from None
    found, total = [], 0
    for name, lines in _texts(conversation.agent, include):
        for number, line in enumerate(lines):
            if expression.search(line):
                total += 1
                if offset < total <= offset + PAGE:
                    found.append(_match(name, lines, number, context_lines))
    if not found:
        return f"No match for {pattern!r} beyond number {offset}; {total} in all."
    last = offset + len(found)
    heading = f"Matches {offset + 1} to {last} of {total}"
    more = f"\n\nMore: grep_files with offset={last}" if last < total else ""
    return "\n\n".join([heading, *found]) + more


def _texts(agent: Agent, include: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the name and the lines of each file that `include` names."""
    rows = AgentFile.objects.filter(agent=agent, file__content__isnull=False).in_prompt_order()
    columns = ("file__folder__name", "file__name", "file_id")
    for folder, file, file_id in list(rows.values_list(*columns)):
        name = f"{folder}/{file}"
        if any(fnmatch.fnmatch(each, include) for each in (name, file)):
            contents = rows.filter(file=file_id).values_list("file__content", flat=True)
            yield name, (contents.first() or "").splitlines()


def _match(name: str, lines: list[str], number: int, context: int) -> str:
    first = max(0, number - context)
    rows = [
        f"{'>' if line == number else ' '} {line + 1}: {lines[line][:MAX_LINE]}"
        for line in range(first, min(len(lines), number + context + 1))
    ]
    return "\n".join([name, *rows])


def semantic_search_files(
    conversation: Conversation, *, by: Actor, query: str, limit: int = DEFAULT_RESULTS
) -> str:
    """Search by words. Within turns, a tool runner searches by meaning, too."""
    return search_files(conversation.agent, query=query, limit=limit)


def search_files(
    agent: Agent,
    *,
    query: str,
    limit: int = DEFAULT_RESULTS,
    vectors: Mapping[str, Sequence[float]] | None = None,
) -> str:
    """Return the best chunks as a JSON array of {"file_name", "content"}.

    `vectors` are those of the query; without them, the search is by words.
    """
    if not 1 <= limit <= MAX_RESULTS:
        raise InvalidArgument(f"limit: expected 1 to {MAX_RESULTS}, got {limit}")
    rows = Passage.objects.all().of_files(agent)
    found = search_passages(rows, query, limit=limit, vectors=vectors)
    files = AgentFile.objects.filter(agent=agent).select_related("file__folder")
    names = {
        link.file_id: name_of(link.file)
        for link in files.filter(file__in=[each.passage.file_id for each in found])
    }
    chunks = [
        {"file_name": names[each.passage.file_id], "content": each.passage.text}
        for each in found
        if each.passage.file_id in names
    ]
    return json.dumps(chunks, ensure_ascii=False)


def embedding_models_of_files(agent: Agent) -> list[str]:
    """Return the embedding models of an agent's folders."""
    archives = Archive.objects.filter(folder__agent_links__agent=agent).exclude(embedding=None)
    handles = archives.order_by().values_list("embedding", flat=True).distinct()
    return [handle for handle in handles[:MAX_MODELS] if handle]
