"""Send the rows of a V1 database to a sink, each after the rows it refers to."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from django.db import IntegrityError

from ...domain.actor import Actor, Source
from ...domain.audit import record
from ...models import AgentFolder, AgentVariable, AuditAction, File, Folder, Identity, Tool
from . import queries
from .convert import (
    Converter,
    convert_revisions,
    default_conversation_row,
    derived_id,
    fit_columns,
    fit_label,
    parse_json,
)
from .findings import Findings, Report
from .order import OrderRequest, set_message_order
from .queries import V1BlockHistory
from .rows import (
    AgentRow,
    ArchiveRow,
    AttachedBlockRow,
    AttachedToolRow,
    BlockRow,
    FileRow,
    FolderRow,
    IdentityRow,
    IsolatedBlockRow,
    MemberRow,
    OrganizationRow,
    OwnedRow,
    PeriodRow,
    RevisionRow,
    RowT,
    ToolRow,
    VariableRow,
)
from .sinks import DryRunSink, InsertSink, Sink, VerifySink
from .v1_database import V1Database, V1DatabaseError, V1RowError, batches

BY = Actor(None, Source.IMPORT)
OwnedRowT = TypeVar("OwnedRowT", bound=OwnedRow)
BlockRowT = TypeVar("BlockRowT", bound=BlockRow)
Advance = Callable[[int], Any]
AGENT_BATCH_SIZE = 20
# Smaller than FETCH_SIZE, since each block brings its history of texts.
BLOCK_BATCH_SIZE = 100
CONVERSATION_BATCH_SIZE = 500
ARCHIVE_BATCH_SIZE = 100
# Each has a vector of up to 4,096 numbers.
PASSAGE_BATCH_SIZE = 200
# Each has its text.
FILE_BATCH_SIZE = 20


def check(v1: V1Database, *, findings: Findings, advance: Advance) -> DryRunSink:
    """Convert every row and write nothing; find what has to be repaired or left behind.

    Args:
        v1: The database to read.
        findings: Of the other passes, too.
        advance: Called with the number of passages, runs, steps and messages just read.
    """
    sink = DryRunSink()
    _Importer(v1, sink, findings, advance).run()
    return sink


def insert(v1: V1Database, *, findings: Findings, advance: Advance) -> InsertSink:
    """Insert what is not stored yet, and apply changes, in one transaction per batch of agents.

    After an interruption, call it again to import the rest.

    Raises:
        V1DatabaseError: A row conflicts with one that was created here.
    """
    sink = InsertSink()
    try:
        organization_ids = _Importer(v1, sink, findings.silently(), advance).run()
    except IntegrityError as error:
        raise V1DatabaseError(
            f"A V1 row conflicts with a row created here: {str(error).strip()}"
        ) from error
    for organization_id in organization_ids:
        record(AuditAction.IMPORTED, by=BY, organization=organization_id, kind="V1 database")
    return sink


def verify(v1: V1Database, *, findings: Findings, report: Report, advance: Advance) -> VerifySink:
    """Convert every row again, compare it with the stored one, and report differences."""
    sink = VerifySink(report)
    _Importer(v1, sink, findings.silently(), advance).run()
    return sink


class _Importer:
    def __init__(self, v1: V1Database, sink: Sink, findings: Findings, advance: Advance):
        self.v1 = v1
        self.sink = sink
        self.findings = findings
        self.report = findings.report
        self.advance = advance
        # The ids of tools here whose names V1's tools have, by the ids in V1.
        self.tool_ids: dict[str, str] = {}
        # Blocks that belong to no conversation.
        self.shared_block_ids: set[str] = set()

    def run(self) -> list[str]:
        """Import everything; return the ids of the organizations."""
        organization_ids = self._import_accounts()
        shared = self.v1.rows(queries.BLOCKS, found=organization_ids)
        for blocks in batches(shared, BLOCK_BATCH_SIZE):
            self._import_shared_blocks(blocks)
        for tools in batches(self.v1.rows(queries.TOOLS, found=organization_ids)):
            self._import_tools(tools)
        archives = self.v1.rows(queries.ARCHIVES, found=organization_ids)
        for archive_batch in batches(archives, ARCHIVE_BATCH_SIZE):
            self._import_archives(archive_batch)
        folders = self.v1.rows(queries.FOLDERS, found=organization_ids)
        for folder_batch in batches(folders, ARCHIVE_BATCH_SIZE):
            self._import_folders(folder_batch)
        keys: set[tuple[str, str]] = set()
        for identities in batches(self.v1.rows(queries.IDENTITIES, found=organization_ids)):
            self._import_identities(identities, keys)
        agents = self.v1.rows(queries.AGENTS, found=organization_ids)
        for batch in batches(agents, AGENT_BATCH_SIZE):
            with self.sink.atomic():
                self._import_agents(batch)
        return organization_ids

    def _import_accounts(self) -> list[str]:
        """Import organizations and members; return the ids of the organizations."""
        organizations = self.v1.all(queries.ORGANIZATIONS)
        taken: set[tuple[str, ...]] = set()
        organizations = self._kept(organizations, self._fit)
        for organization in organizations:
            organization.name = self._free_name(organization, taken)
        ids = [row.id for row in organizations]
        members = self._kept(self.v1.all(queries.USERS, found=ids), self._fit)
        taken = set()
        for member in members:
            member.name = self._free_name(member, taken, organization_id=member.organization_id)
        with self.sink.atomic():
            self.sink.insert(organizations)
            self.sink.insert(members)
        users = {member.id: member.organization_id for member in members}
        self.convert = Converter(users, self.findings)
        return ids

    def _fit(self, row: OrganizationRow | MemberRow) -> None:
        fit_columns(row, self.findings)

    def _kept(self, rows: Iterable[RowT], convert: Callable[[RowT], None]) -> list[RowT]:
        """Convert rows; return those that are not left behind."""
        kept = []
        for row in rows:
            row_id: str = getattr(row, "v1_id", None) or row.id  # type: ignore[attr-defined]
            if self.findings.left(type(row), row_id):
                continue
            try:
                convert(row)
            except V1RowError as error:
                self.findings.leave_behind(row, row_id, str(error))
            else:
                kept.append(row)
        return kept

    def _free_name(
        self, row: OrganizationRow | MemberRow, taken: set[tuple[str, ...]], **scope: str
    ) -> str:
        """Return a name that is unique here within `scope`, since V1 allows duplicates."""
        manager = row.django_model._default_manager
        stored: str | None = manager.filter(pk=row.id).values_list("name", flat=True).first()
        if stored is not None:
            return stored
        name = row.name
        if (name, *scope.values()) in taken or manager.filter(name=name, **scope).exists():
            name = f"{name[:180]}-{row.id.rpartition('-')[2]}"
            self.report(f"{row.id}: the name {row.name!r} is taken; imported as {name!r}")
        taken.add((name, *scope.values()))
        return name

    def _import_shared_blocks(self, batch: list[BlockRow]) -> None:
        for row in batch:
            if row.is_orphan:
                self.report(
                    f"{row.id}: an isolated copy of {row.label!r} without a conversation; "
                    "imported as hidden"
                )
        with self.sink.atomic():
            kept = self._import_blocks(batch)
        self.shared_block_ids.update(row.id for row in kept)

    def _import_blocks(self, blocks: Sequence[BlockRowT]) -> list[BlockRowT]:
        """Import blocks with a revision for each text that V1 kept; return those imported."""
        history: dict[str, list[V1BlockHistory]] = defaultdict(list)
        for entry in self.v1.all(queries.BLOCK_HISTORY, batch=[row.v1_id for row in blocks]):
            history[entry.block_id].append(entry)
        revisions: dict[str, list[RevisionRow]] = {}

        def convert(row: BlockRow) -> None:
            self.convert.block(row)
            self.convert.own(row)
            revisions[row.id] = convert_revisions(row, history[row.v1_id])
            row.version = len(revisions[row.id])

        kept = self._kept(blocks, convert)
        new = self.sink.insert(kept)
        self.sink.insert([revision for row in new for revision in revisions[row.id]])
        return kept

    def _import_tools(self, tools: list[ToolRow]) -> None:
        tools = self._convert(tools, self.convert.tool)
        names = Tool.objects.filter(name__in=[tool.name for tool in tools])
        stored = {(tool.organization_id, tool.name): tool for tool in names}
        new = []
        for row in tools:
            here = stored.get((row.organization_id, row.name))
            if here is None or here.pk == row.id:
                new.append(row)
                continue
            self.tool_ids[row.id] = here.pk
            if not here.is_built_in:
                self.report(f"{row.id}: the name {row.name!r} is taken; {here.pk} is kept")
        with self.sink.atomic():
            self.sink.insert(new)

    def _import_variables(self, agent_ids: list[str]) -> None:
        readable: dict[tuple[str, str], VariableRow] = {}
        for row in self.v1.all(queries.VARIABLES, batch=agent_ids):
            if row.is_readable:
                self.convert.variable(row)
                readable[row.agent_id, row.name] = row
            else:
                self.report(
                    f"{row.id}: V1 stores the value of {row.name} encrypted only; "
                    f"set it on {row.agent_id}"
                )
        # A variable that was set here has another id; its value stays.
        stored = AgentVariable.objects.filter(agent__in=agent_ids)
        for agent_id, name, pk in stored.values_list("agent_id", "name", "pk"):
            if (agent_id, name) in readable and readable[agent_id, name].id != pk:
                del readable[agent_id, name]
        self.sink.insert(list(readable.values()))

    def _import_archives(self, archives: list[ArchiveRow]) -> None:
        archives = self._convert(archives, self.convert.archive)
        with self.sink.atomic():
            self.sink.insert(archives)
        passages = self.v1.rows(queries.PASSAGES, batch=[row.id for row in archives])
        for batch in batches(passages, PASSAGE_BATCH_SIZE):
            with self.sink.atomic():
                self._import(batch, self.convert.passage)

    def _import_folders(self, folders: list[FolderRow]) -> None:
        """Import folders with their files and the chunks of those."""
        folders = self._convert(folders, self.convert.folder)
        taken = self._names_of(Folder, "organization_id", folders)
        for folder in folders:
            self._set_free_name(folder, folder.organization_id, taken)
        ids = [row.id for row in folders]
        with self.sink.atomic():
            self.sink.insert([row.archive for row in folders])
            self.sink.insert(folders)
        for files in batches(self.v1.rows(queries.FILES, batch=ids), FILE_BATCH_SIZE):
            kept = self._convert(files, self.convert.file)
            taken = self._names_of(File, "folder_id", kept)
            for file in kept:
                self._set_free_name(file, file.folder_id, taken)
            with self.sink.atomic():
                self.sink.insert(kept)
        for chunks in batches(self.v1.rows(queries.CHUNKS, batch=ids), PASSAGE_BATCH_SIZE):
            with self.sink.atomic():
                self._import(chunks, self.convert.chunk)

    def _names_of(
        self, model: type[Folder | File], scope: str, rows: Sequence[FolderRow | FileRow]
    ) -> dict[tuple[str, str], str]:
        """Return which row has a name that one of `rows` has, too, within the rows' scope."""
        scopes = {getattr(row, scope) for row in rows}
        stored = model._default_manager.filter(**{f"{scope}__in": scopes})
        return {(owner, name): pk for owner, name, pk in stored.values_list(scope, "name", "pk")}

    def _set_free_name(
        self, row: FolderRow | FileRow, scope: str, taken: dict[tuple[str, str], str]
    ) -> None:
        """Replace slashes, which separate folder and file here, and a name that is taken."""
        name = row.name.replace("/", "_")
        if taken.get((scope, name), row.id) != row.id:
            name = f"{name[:150]}-{row.id}"
        if name != row.name:
            self.findings.repaired(row.id, f"the name {row.name!r} is imported as {name!r}")
        row.name = name
        taken[scope, name] = row.id

    def _attach_folders(self, agent_ids: list[str]) -> None:
        """Attach folders, with which files of theirs are open."""
        attached = [
            link
            for link in self.v1.all(queries.ATTACHED_FOLDERS, batch=agent_ids)
            if not self.findings.left(FolderRow, link.folder_id)
            and self._is_own(link.folder_id, link.agent_id, link.is_own)
        ]
        self.sink.insert(attached)
        keys = {(link.agent_id, link.folder_id) for link in attached}
        stored = AgentFolder.objects.filter(agent__in=agent_ids)
        links = {
            (agent_id, folder_id): pk
            for agent_id, folder_id, pk in stored.values_list("agent_id", "folder_id", "pk")
        }
        files = []
        for row in self.v1.all(queries.AGENT_FILES, batch=agent_ids):
            key = (row.agent_id, row.folder_id)
            if key in keys and not self.findings.left(FileRow, row.file_id):
                row.id = row.id or derived_id("file_agent", row.agent_id, row.file_id)
                row.folder_link_id = links.get(key)
                files.append(row)
        self.sink.insert(files)

    def _import_identities(self, identities: list[IdentityRow], keys: set[tuple[str, str]]) -> None:
        """Import identities with their blocks; `keys` are those of earlier batches."""
        identities = self._convert(identities, self.convert.identity)
        stored = Identity.objects.live().filter(
            identifier_key__in=[row.identifier_key for row in identities]
        )
        taken = {(row.organization_id, row.identifier_key): row.pk for row in stored}
        for row in identities:
            key = (row.organization_id, row.identifier_key)
            if row.deleted_at is None and (key in keys or taken.get(key, row.id) != row.id):
                row.identifier_key = f"{row.identifier_key[:150]}-{row.id}"
                self.report(f"{row.id}: the key {key[1]!r} is taken; imported with its id added")
            keys.add((row.organization_id, row.identifier_key))
        with self.sink.atomic():
            self.sink.insert(identities)
            links = self.v1.all(queries.IDENTITY_BLOCKS, batch=[row.id for row in identities])
            self.sink.insert(
                [
                    link
                    for link in links
                    if link.block_id in self.shared_block_ids
                    and self._is_own(link.identity_id, link.block_id, link.is_own)
                ]
            )

    def _attach_identities(self, agent_ids: list[str]) -> None:
        self.sink.insert(
            [
                link
                for link in self.v1.all(queries.IDENTITY_AGENTS, batch=agent_ids)
                if not self.findings.left(IdentityRow, link.identity_id)
                and self._is_own(link.identity_id, link.agent_id, link.is_own)
            ]
        )

    def _is_own(self, row_id: str, owner_id: str, is_own: bool) -> bool:
        if not is_own:
            self.report(f"{row_id}: of another organization; not attached to {owner_id}")
        return is_own

    def _attach_archives(self, agent_ids: list[str]) -> None:
        attached = []
        for link in self.v1.all(queries.ATTACHED_ARCHIVES, batch=agent_ids):
            if self.findings.left(ArchiveRow, link.archive_id):
                continue
            if link.is_own:
                attached.append(link)
            else:
                self.report(
                    f"{link.archive_id}: of another organization; not attached to {link.agent_id}"
                )
        self.sink.insert(attached)

    def _import_agents(self, agents: list[AgentRow]) -> None:
        tools: dict[str, list[AttachedToolRow]] = defaultdict(list)
        for link in self.v1.all(queries.ATTACHED_TOOLS, batch=[row.id for row in agents]):
            if self.findings.left(ToolRow, link.tool_id):
                continue
            if link.is_own:
                link.tool_id = self.tool_ids.get(link.tool_id, link.tool_id)
                link.position = len(tools[link.agent_id])
                tools[link.agent_id].append(link)
            else:
                self.report(
                    f"{link.tool_id}: of another organization; not attached to {link.agent_id}"
                )
        agents = self._convert(agents, lambda row: self.convert.agent(row, tools[row.id]))
        ids = [row.id for row in agents]
        self.sink.insert(agents)
        self.sink.insert([link for agent_id in ids for link in tools[agent_id]])
        self._import_variables(ids)
        self._attach_archives(ids)
        self._attach_folders(ids)
        self._attach_identities(ids)
        self._attach_blocks(ids)
        without_system_message = self._import_conversations(agents)
        for runs in batches(self.v1.rows(queries.RUNS, batch=ids)):
            self._import(runs, self.convert.run)
            for run in runs:
                if run.status != run.v1_status:
                    self.report(
                        f"{run.id}: V1 left it {run.v1_status!r}; imported as {run.status!r}"
                    )
        for steps in batches(self.v1.rows(queries.STEPS, batch=ids)):
            self._import(steps, self.convert.step)
        for messages in batches(self.v1.rows(queries.MESSAGES, batch=ids)):
            self._import(messages, self.convert.message)
        self.sink.finish(ids, without_system_message)

    def _import(self, rows: list[OwnedRowT], convert: Callable[[OwnedRowT], None]) -> None:
        kept = self._convert(rows, convert)
        self.sink.insert(kept)
        self.advance(len(rows))

    def _convert(
        self, rows: list[OwnedRowT], convert: Callable[[OwnedRowT], None]
    ) -> list[OwnedRowT]:
        def convert_and_own(row: OwnedRowT) -> None:
            convert(row)
            self.convert.own(row)

        return self._kept(rows, convert_and_own)

    def _attach_blocks(self, agent_ids: list[str]) -> None:
        attached: dict[tuple[str, str], AttachedBlockRow] = {}
        for link in self.v1.all(queries.ATTACHED_BLOCKS, batch=agent_ids):
            if self.findings.left(BlockRow, link.block_id):
                continue
            link.label = fit_label(link.label)
            if link.is_own:
                attached[link.agent_id, link.block_id] = link
            else:
                self.report(
                    f"{link.block_id}: belongs to {link.organization_id}; not attached to "
                    f"{link.agent_id}"
                )
        self.sink.insert(
            [
                PeriodRow(
                    row.agent_id, None, row.block_id, row.label, row.position, row.attached_at
                )
                for row in self.sink.insert(list(attached.values()))
            ]
        )

    def _import_conversations(self, agents: list[AgentRow]) -> list[str]:
        """Import conversations, isolated blocks and the order of messages.

        Returns the ids of conversations without a system message in V1.
        """
        without_system_message: list[str] = []
        conversations = self.v1.rows(queries.CONVERSATIONS, batch=[row.id for row in agents])
        for rows in batches(conversations, CONVERSATION_BATCH_SIZE):
            rows = self._convert(rows, self.convert.conversation)
            self.sink.insert(rows)
            self._isolate_blocks([row.id for row in rows])
            requests = {row.id: OrderRequest(row) for row in rows}
            without_system_message += set_message_order(
                self.v1, self.sink, self.findings, queries.CONVERSATION_ORDER, requests
            )
        requests = {
            agent.id: OrderRequest(
                default_conversation_row(agent), parse_json(agent, "message_ids", list)
            )
            for agent in agents
        }
        self.sink.insert([request.conversation for request in requests.values()])
        return without_system_message + set_message_order(
            self.v1, self.sink, self.findings, queries.AGENT_ORDER, requests
        )

    def _isolate_blocks(self, conversation_ids: list[str]) -> None:
        blocks = self.v1.all(queries.ISOLATED_BLOCKS, batch=conversation_ids)
        for row in blocks:
            if row.is_used_elsewhere:
                row.id = derived_id("block", row.conversation_id, row.v1_id)
                self.report(
                    f"{row.v1_id}: isolated in {row.conversation_id} and used elsewhere; "
                    f"{row.conversation_id} gets a copy, {row.id}"
                )
            if row.v1_label != row.label:
                self.report(
                    f"{row.v1_id}: renamed to {row.v1_label!r} in V1; imported as {row.label!r}"
                )
            if not row.is_base:
                self.report(f"{row.id}: V1 has no base for {row.label!r} in {row.conversation_id}")
        blocks = self._import_blocks(blocks)
        isolated = [
            IsolatedBlockRow(
                conversation_id=row.conversation_id,
                block_id=row.id,
                label=row.label,
                source_block_id=(
                    None
                    if self.findings.left(BlockRow, row.shared_block_id)
                    else row.shared_block_id
                ),
                base_value=(row.shared_value or "") if row.is_base else "",
                base_version=1 if row.is_base else 0,
                created_at=row.isolated_at,
            )
            for row in blocks
        ]
        self.sink.insert(
            [
                PeriodRow(None, row.conversation_id, row.block_id, row.label, 0, row.created_at)
                for row in self.sink.insert(isolated)
            ]
        )
