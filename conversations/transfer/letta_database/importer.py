"""Send the rows of a V1 database to a sink, each after the rows it refers to."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError
from django.db.models import Model

from ...models import Member, Organization
from . import queries
from .convert import (
    UNKNOWN_TIME,
    Converter,
    check_id,
    convert_revisions,
    default_conversation_row,
    derived_id,
    parse_json,
    parse_tool,
    run_status,
    stored_limit,
    text,
)
from .order import OrderRequest, set_message_order
from .queries import V1Agent, V1AttachedBlock, V1Block, V1BlockHistory, V1Organization, V1User
from .rows import (
    AgentRow,
    AttachedBlockRow,
    IsolatedBlockRow,
    MemberRow,
    OrganizationRow,
    PeriodRow,
    RevisionRow,
)
from .sinks import DryRunSink, InsertSink, Report, Sink, VerifySink
from .v1_database import V1Database, V1DatabaseError, batches

Advance = Callable[[int], Any]
AGENT_BATCH_SIZE = 20
# Smaller than FETCH_SIZE, since each block brings its history of texts.
BLOCK_BATCH_SIZE = 100
CONVERSATION_BATCH_SIZE = 500


def check(v1: V1Database, *, report: Report, advance: Advance) -> DryRunSink:
    """Convert every row and write nothing; report what has to be repaired.

    Args:
        v1: The database to read.
        report: Called with one line for each repair.
        advance: Called with the number of runs, steps and messages just read.

    Raises:
        V1RowError: A row can't be stored.
    """
    sink = DryRunSink()
    _Importer(v1, sink, report, advance).run()
    return sink


def insert(v1: V1Database, *, advance: Advance) -> InsertSink:
    """Insert what is not stored yet, and apply changes, in one transaction per batch of agents.

    After an interruption, call it again to import the rest.

    Raises:
        V1DatabaseError: A row conflicts with one that was created here.
    """
    sink = InsertSink()
    try:
        _Importer(v1, sink, _ignore, advance).run()
    except IntegrityError as error:
        raise V1DatabaseError(
            f"A V1 row conflicts with a row created here: {str(error).strip()}"
        ) from error
    return sink


def verify(v1: V1Database, *, report: Report, advance: Advance) -> VerifySink:
    """Convert every row again, compare it with the stored one, and report differences."""
    sink = VerifySink(report)
    _Importer(v1, sink, _ignore, advance).run()
    return sink


def _ignore(line: str) -> None:
    pass


@dataclass
class _BlockToImport:
    row: V1Block
    id: str
    label: str
    conversation_id: str | None = None


class _Importer:
    def __init__(self, v1: V1Database, sink: Sink, report: Report, advance: Advance):
        self.v1 = v1
        self.sink = sink
        self.report = report
        self.advance = advance

    def run(self) -> None:
        organization_ids = self._import_accounts()
        shared = self.v1.rows(queries.BLOCKS, found=organization_ids)
        for blocks in batches(shared, BLOCK_BATCH_SIZE):
            self._import_shared_blocks(blocks)
        agents = self.v1.rows(queries.AGENTS, found=organization_ids)
        for batch in batches(agents, AGENT_BATCH_SIZE):
            with self.sink.atomic():
                self._import_agents(batch)

    def _import_accounts(self) -> list[str]:
        """Import organizations and members; return the ids of the organizations."""
        organizations = []
        taken: set[tuple[str, ...]] = set()
        for organization in self.v1.all(queries.ORGANIZATIONS):
            check_id(organization, "org")
            text(organization, "name", 200)
            name = self._free_name(Organization, organization, taken)
            created_at = organization.created_at or UNKNOWN_TIME
            organizations.append(OrganizationRow(organization.id, name, created_at))
        ids = [row.id for row in organizations]
        members = []
        taken = set()
        for user in self.v1.all(queries.USERS, found=ids):
            check_id(user, "user")
            text(user, "name", 150)
            organization_id, created_at = user.organization_id, user.created_at or UNKNOWN_TIME
            name = self._free_name(Member, user, taken, organization_id=organization_id)
            members.append(MemberRow(user.id, organization_id, name, created_at))
        with self.sink.atomic():
            self.sink.insert(organizations)
            self.sink.insert(members)
        self.convert = Converter({member.id: member.organization_id for member in members})
        return ids

    def _free_name(
        self,
        model: type[Model],
        row: V1Organization | V1User,
        taken: set[tuple[str, ...]],
        **scope: str,
    ) -> str:
        """Return a name that is unique here within `scope`, since V1 allows duplicates."""
        manager = model._default_manager
        stored: str | None = manager.filter(pk=row.id).values_list("name", flat=True).first()
        if stored is not None:
            return stored
        name = row.name
        if (name, *scope.values()) in taken or manager.filter(name=name, **scope).exists():
            name = f"{name}-{row.id.rpartition('-')[2]}"
            self.report(f"{row.id}: the name {row.name!r} is taken; imported as {name!r}")
        taken.add((name, *scope.values()))
        return name

    def _import_shared_blocks(self, batch: list[V1Block]) -> None:
        for row in batch:
            if row.is_orphan:
                self.report(
                    f"{row.id}: an isolated copy of {row.label!r} without a conversation; "
                    "imported as hidden"
                )
        with self.sink.atomic():
            self._import_blocks([_BlockToImport(row, row.id, row.label) for row in batch])

    def _import_blocks(self, blocks: list[_BlockToImport]) -> None:
        """Import blocks with a revision for each text that V1 kept."""
        history: dict[str, list[V1BlockHistory]] = defaultdict(list)
        block_ids = [block.row.id for block in blocks]
        for entry in self.v1.all(queries.BLOCK_HISTORY, batch=block_ids):
            history[entry.block_id].append(entry)
        rows = []
        revisions: dict[str, list[RevisionRow]] = {}
        for block in blocks:
            row, limit = block.row, stored_limit(block.row)
            if limit != row.limit:
                self.report(f"{row.id}: the limit {row.limit} is raised to {limit}")
            revisions[block.id] = convert_revisions(
                row,
                history[row.id],
                block_id=block.id,
                conversation_id=block.conversation_id,
            )
            rows.append(
                self.convert.block(
                    row,
                    block_id=block.id,
                    label=block.label,
                    conversation_id=block.conversation_id,
                    version=len(revisions[block.id]),
                )
            )
        new = self.sink.insert(rows)
        self.sink.insert([revision for row in new for revision in revisions[row.id]])

    def _import_agents(self, batch: list[V1Agent]) -> None:
        ids = [row.id for row in batch]
        tools: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for link in self.v1.all(queries.TOOLS, batch=ids):
            tools[link.agent_id].append(parse_tool(link))
        agents = [self.convert.agent(row, tools[row.id]) for row in batch]
        self.sink.insert(agents)
        self._attach_blocks(ids)
        without_system_message = self._import_conversations(batch, agents)
        for runs in batches(self.v1.rows(queries.RUNS, batch=ids)):
            self.sink.insert([self.convert.run(row) for row in runs])
            self.advance(len(runs))
            for run in runs:
                if (status := run_status(run)) != run.status:
                    self.report(f"{run.id}: V1 left it {run.status!r}; imported as {status!r}")
        for steps in batches(self.v1.rows(queries.STEPS, batch=ids)):
            self.sink.insert([self.convert.step(row) for row in steps])
            self.advance(len(steps))
        for messages in batches(self.v1.rows(queries.MESSAGES, batch=ids)):
            self.sink.insert([self.convert.message(row) for row in messages])
            self.advance(len(messages))
        self.sink.finish(ids, without_system_message)

    def _attach_blocks(self, agent_ids: list[str]) -> None:
        attached: dict[tuple[str, str], V1AttachedBlock] = {}
        for link in self.v1.all(queries.ATTACHED_BLOCKS, batch=agent_ids):
            if link.is_own:
                attached[link.agent_id, link.block_id] = link
            else:
                self.report(
                    f"{link.block_id}: belongs to {link.organization_id}; not attached to "
                    f"{link.agent_id}"
                )
        new = self.sink.insert(
            [
                AttachedBlockRow(link.agent_id, link.block_id, link.label, link.position)
                for link in attached.values()
            ]
        )
        self.sink.insert(
            [
                PeriodRow(
                    agent_id=row.agent_id,
                    conversation_id=None,
                    block_id=row.block_id,
                    label=row.label,
                    position=row.position,
                    since=attached[row.agent_id, row.block_id].attached_at or UNKNOWN_TIME,
                )
                for row in new
            ]
        )

    def _import_conversations(self, batch: list[V1Agent], agents: list[AgentRow]) -> list[str]:
        """Import conversations, isolated blocks and the order of messages.

        Returns the ids of conversations without a system message in V1.
        """
        agent_ids = [row.id for row in batch]
        without_system_message: list[str] = []
        conversations = self.v1.rows(queries.CONVERSATIONS, batch=agent_ids)
        for rows in batches(conversations, CONVERSATION_BATCH_SIZE):
            converted = [self.convert.conversation(row) for row in rows]
            self.sink.insert(converted)
            self._isolate_blocks([row.id for row in rows])
            requests = {row.id: OrderRequest(row) for row in converted}
            without_system_message += set_message_order(
                self.v1, self.sink, self.report, queries.CONVERSATION_ORDER, requests
            )
        default = {agent.id: default_conversation_row(agent) for agent in agents}
        self.sink.insert(list(default.values()))
        requests = {
            row.id: OrderRequest(default[row.id], parse_json(row, "message_ids", list) or [])
            for row in batch
        }
        return without_system_message + set_message_order(
            self.v1, self.sink, self.report, queries.AGENT_ORDER, requests
        )

    def _isolate_blocks(self, conversation_ids: list[str]) -> None:
        blocks = []
        isolated = []
        for row in self.v1.all(queries.ISOLATED_BLOCKS, batch=conversation_ids):
            block_id, label, conversation_id = row.id, row.block_label, row.conversation_id
            if row.is_used_elsewhere:
                block_id = derived_id("block", conversation_id, row.id)
                self.report(
                    f"{row.id}: isolated in {conversation_id} and used elsewhere; "
                    f"{conversation_id} gets a copy, {block_id}"
                )
            if row.label != label:
                self.report(f"{row.id}: renamed to {row.label!r} in V1; imported as {label!r}")
            if not row.is_base:
                self.report(f"{block_id}: V1 has no base for {label!r} in {conversation_id}")
            blocks.append(_BlockToImport(row, block_id, label, conversation_id))
            isolated.append(
                IsolatedBlockRow(
                    conversation_id=conversation_id,
                    block_id=block_id,
                    label=label,
                    source_block_id=row.shared_block_id,
                    base_value=(row.shared_value or "") if row.is_base else "",
                    base_version=1 if row.is_base else 0,
                    created_at=row.isolated_at or UNKNOWN_TIME,
                )
            )
        self._import_blocks(blocks)
        self.sink.insert(
            [
                PeriodRow(
                    agent_id=None,
                    conversation_id=row.conversation_id,
                    block_id=row.block_id,
                    label=row.label,
                    position=0,
                    since=row.created_at,
                )
                for row in self.sink.insert(isolated)
            ]
        )
