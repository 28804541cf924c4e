"""Going through a V1 database: accounts, shared blocks, then agents with all that is theirs."""

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import orjson

from ...domain.errors import DomainError
from ...models import Organization, User
from ..agent_files.json_reader import MAX_IN_COLUMN, check_storable
from . import queries, tables
from .convert import (
    LONG_AGO,
    Reader,
    agent_row,
    block_row,
    conversation_row,
    derived_id,
    limit_of,
    own_thread_row,
)
from .convert_turns import message_row, run_row, step_row
from .order import Thread, place_threads
from .sinks import Sink, Tell
from .source import RowError, Source, chunks

# Agents that go in together; blocks that do, with all texts they had, which may be long; and
# conversations whose order is read at once.
AGENT_BATCH_SIZE = 20
BLOCK_BATCH_SIZE = 100
CONVERSATION_BATCH_SIZE = 500


def walk(source: Source, sink: Sink, tell: Tell, advance: Callable[[int], Any]) -> None:
    """Send every row that has a place here to the sink. `tell` hears of what had to be mended."""
    organizations, users = _accounts(source, sink, tell)
    _shared_blocks(source, sink, tell, organizations, users)
    agents = source.rows(queries.AGENTS, found=organizations)
    for batch in chunks(agents, AGENT_BATCH_SIZE):
        with sink.together():
            _agents(source, sink, tell, advance, batch, users)


def _accounts(source: Source, sink: Sink, tell: Tell) -> tuple[list[str], dict[str, str]]:
    """The organizations that come, and of each of their users the organization."""
    rows, reader = [], Reader("organizations", {})
    taken: set[str] = set()
    for row in source.all(queries.ORGANIZATIONS):
        reader.check_id(row, "org")
        reader.text(row, "name", 200)
        name = _free(Organization, "name", row, taken, tell)
        rows.append((row.id, name, row.created_at or LONG_AGO))
    found = [row[0] for row in rows]
    users, reader = [], Reader("users", {})
    taken = set()
    for row in source.all(queries.USERS, found=found):
        reader.check_id(row, "user")
        reader.text(row, "name", 150)
        name = _free(User, "username", row, taken, tell)
        since = row.created_at or LONG_AGO
        password = f"!{derived_id('none', row.id)}"
        flags = (False, False, True)
        users.append((row.id, name, password, "", "", "", *flags, since, row.organization_id))
    with sink.together():
        sink.put(tables.ORGANIZATIONS, rows)
        sink.put(tables.USERS, users)
    return found, {user[0]: user[-1] for user in users}


def _free(model: Any, field: str, row: Any, taken: set[str], tell: Tell) -> str:
    """A name that is unique here. In V1 it need not be."""
    stored = model.objects.filter(pk=row.id).values_list(field, flat=True).first()
    if stored is not None:
        return stored
    name = row.name
    if name in taken or model.objects.filter(**{field: name}).exists():
        name = f"{name}-{row.id.rpartition('-')[2]}"
        tell(f"{row.id}: its name {row.name!r} is taken; it is called {name!r}")
    taken.add(name)
    return name


def _shared_blocks(
    source: Source, sink: Sink, tell: Tell, organizations: list[str], users: dict[str, str]
) -> None:
    reader = Reader("block", users)
    for batch in chunks(source.rows(queries.BLOCKS, found=organizations), BLOCK_BATCH_SIZE):
        for row in batch:
            if row.left_behind:
                tell(f"{row.id}: a copy of {row.label!r} that nothing refers to; it is hidden")
        with sink.together():
            _put_blocks(
                source, sink, tell, reader, [(row, row.id, row.label, None) for row in batch]
            )


Wanted = tuple[Any, str, str, str | None]


def _put_blocks(
    source: Source, sink: Sink, tell: Tell, reader: Reader, wanted: list[Wanted]
) -> None:
    """Blocks with a revision for each text that V1 kept: (row, id, label, conversation)."""
    history: dict[str, list[Any]] = defaultdict(list)
    for entry in source.all(queries.HISTORY, batch=[row.id for row, *_ in wanted]):
        history[entry.block_id].append(entry)
    rows, revisions = [], {}
    for row, block_id, label, conversation_id in wanted:
        if limit_of(row) != row.limit:
            tell(f"{row.id}: its text has {limit_of(row)} characters, the limit was {row.limit}")
        said = _revisions(row, block_id, conversation_id, history[row.id])
        revisions[block_id] = said
        rows.append(
            block_row(
                reader,
                row,
                block_id=block_id,
                label=label,
                conversation_id=conversation_id,
                version=len(said),
            )
        )
    fresh = sink.put(tables.BLOCKS, rows)
    sink.put(tables.REVISIONS, [said for block in fresh for said in revisions[block[0]]])


def _revisions(
    row: Any, block_id: str, conversation_id: str | None, history: list[Any]
) -> list[tuple]:
    said = [(e.value, e.limit, e.description, e.created_at) for e in history]
    now = (row.value, limit_of(row), row.description, row.updated_at or row.created_at)
    if not said or said[-1][:3] != now[:3]:
        said.append(now)
    return [
        (
            block_id,
            number,
            value,
            description,
            min(max(limit, len(value), 1), MAX_IN_COLUMN),
            None,
            "import",
            "",
            True,
            None,
            written_at or LONG_AGO,
            None,
            conversation_id,
        )
        for number, (value, limit, description, written_at) in enumerate(said, start=1)
    ]


def _agents(
    source: Source,
    sink: Sink,
    tell: Tell,
    advance: Callable[[int], Any],
    batch: list[Any],
    users: dict[str, str],
) -> None:
    ids = [row.id for row in batch]
    tools: dict[str, list[dict]] = defaultdict(list)
    reader = Reader("tools", users)
    for link in source.all(queries.TOOLS, batch=ids):
        tools[link.agent_id].append(_tool(link))
    reader = Reader("agents", users)
    agents = [agent_row(reader, row, tools[row.id]) for row in batch]
    sink.put(tables.AGENTS, agents)
    _attach(source, sink, tell, ids)
    unspoken = _conversations(source, sink, tell, batch, agents, users)
    for table, query, read, name in (
        (tables.RUNS, queries.RUNS, run_row, "runs"),
        (tables.STEPS, queries.STEPS, step_row, "steps"),
        (tables.MESSAGES, queries.MESSAGES, message_row, "messages"),
    ):
        reader = Reader(name, users)
        for rows in chunks(source.rows(query, batch=ids)):
            sink.put(table, [read(reader, row) for row in rows])
            advance(len(rows))
            if table is tables.RUNS:
                _tell_of_runs(rows, tell)
    sink.finish(ids, unspoken)


def _tool(link: Any) -> dict[str, Any]:
    try:
        tool = orjson.loads(link.tool)
        check_storable(tool)
    except (ValueError, DomainError) as error:
        raise RowError("tools", f"of {link.agent_id}", f"can't be stored: {error}") from None
    return tool


def _tell_of_runs(rows: list[Any], tell: Tell) -> None:
    for row in rows:
        if row.status not in ("completed", "failed", "cancelled"):
            became = "completed" if row.steps else "failed"
            tell(f"{row.id}: V1 left it {row.status!r}; it is {became}")


def _attach(source: Source, sink: Sink, tell: Tell, agent_ids: list[str]) -> None:
    links = []
    for link in source.all(queries.ATTACHED, batch=agent_ids):
        if link.is_own:
            links.append(link)
        else:
            tell(
                f"{link.block_id}: is of {link.organization_id}, so it is not attached to "
                f"{link.agent_id}"
            )
    since = {(link.agent_id, link.block_id): link.since or LONG_AGO for link in links}
    rows = [(link.agent_id, link.block_id, link.label, link.position) for link in links]
    fresh = sink.put(tables.ATTACHED, rows)
    sink.put(
        tables.PERIODS,
        [(a, None, b, label, position, since[a, b]) for a, b, label, position in fresh],
    )


def _conversations(
    source: Source,
    sink: Sink,
    tell: Tell,
    batch: list[Any],
    agents: list[tuple],
    users: dict[str, str],
) -> list[str]:
    """Conversations, isolated blocks and the order of messages; those without system message."""
    ids = [row.id for row in batch]
    reader = Reader("conversations", users)
    unspoken: list[str] = []
    for rows in chunks(source.rows(queries.CONVERSATIONS, batch=ids), CONVERSATION_BATCH_SIZE):
        ready = [conversation_row(reader, row) for row in rows]
        sink.put(tables.CONVERSATIONS, ready)
        threads = {row[0]: Thread(row, None) for row in ready}
        _isolate(source, sink, tell, list(threads), users)
        unspoken += place_threads(source, sink, tell, queries.PLACES, threads)
    own = [own_thread_row(agent) for agent in agents]
    sink.put(tables.CONVERSATIONS, own)
    contexts = {row.id: Reader("agents", users).json(row, "message_ids", list) for row in batch}
    threads = {row[6]: Thread(row, contexts[row[6]] or []) for row in own}
    return unspoken + place_threads(source, sink, tell, queries.OWN_PLACES, threads)


def _isolate(
    source: Source, sink: Sink, tell: Tell, conversation_ids: list[str], users: dict[str, str]
) -> None:
    wanted: list[Wanted] = []
    links = {}
    for row in source.all(queries.ISOLATED, batch=conversation_ids):
        block_id, thread = row.id, row.conversation_id
        if row.shared:
            block_id = derived_id("block", thread, row.id)
            tell(f"{row.id}: others read it too; {thread} has a copy of its own, {block_id}")
        if row.label != row.block_label:
            tell(
                f"{row.id}: was renamed to {row.label!r} while isolated; it is "
                f"{row.block_label!r} again"
            )
        wanted.append((row, block_id, row.block_label, thread))
        base = (row.source_value, 1) if row.is_base else ("", 0)
        if not row.is_base:
            tell(f"{block_id}: the base of {row.block_label!r} in {thread} is unknown in V1")
        since = row.since or LONG_AGO
        links[block_id] = (thread, block_id, row.block_label, row.source_id, *base, since)
    _put_blocks(source, sink, tell, Reader("block", users), wanted)
    fresh = sink.put(tables.ISOLATED, list(links.values()))
    periods = [(None, thread, block, label, 0, since) for thread, block, label, *_, since in fresh]
    sink.put(tables.PERIODS, periods)
