"""What an import finds: rows that it repairs, imports in part, or leaves behind."""

from collections import defaultdict
from collections.abc import Callable

from . import rows

Report = Callable[[str], None]

V1_TABLES: dict[type[rows.Row], str] = {
    rows.OrganizationRow: "organizations",
    rows.MemberRow: "users",
    rows.IdentityRow: "identities",
    rows.ToolRow: "tools",
    rows.ArchiveRow: "archives",
    rows.PassageRow: "archival_passages",
    rows.FolderRow: "sources",
    rows.FileRow: "files",
    rows.ChunkRow: "source_passages",
    rows.AgentRow: "agents",
    rows.BlockRow: "block",
    rows.V1IsolatedBlock: "block",
    rows.ConversationRow: "conversations",
    rows.RunRow: "runs",
    rows.StepRow: "steps",
    rows.MessageRow: "messages",
}


class Findings:
    """Reports each finding in one line, and remembers the rows that are left behind.

    The first pass over a V1 database finds everything. The others read the same snapshot: they are
    `silent`, and skip what the first one left behind.
    """

    def __init__(self, report: Report, *, silent: bool = False):
        self.report: Report = (lambda line: None) if silent else report
        # Ids by V1 table.
        self.left_behind: dict[str, set[str]] = defaultdict(set)
        self.incomplete: dict[str, set[str]] = defaultdict(set)

    def silently(self) -> "Findings":
        """Return findings for another pass over the same snapshot."""
        other = Findings(self.report, silent=True)
        other.left_behind, other.incomplete = self.left_behind, self.incomplete
        return other

    @property
    def losses(self) -> int:
        """How many rows are left behind or imported in part."""
        found = [*self.left_behind.values(), *self.incomplete.values()]
        return sum(map(len, found))

    def repaired(self, row_id: str, what: str) -> None:
        """Report a row that is imported otherwise than V1 has it."""
        self.report(f"{row_id}: {what}")

    def lose_part(self, row: rows.OwnedRow, problem: str) -> None:
        """Report a row that is imported without a part that can't be stored."""
        self.incomplete[V1_TABLES[type(row)]].add(row.id)
        self.report(f"{row.id}: {problem}; imported without it")

    def leave_behind(self, row: rows.Row, row_id: str, problem: str) -> None:
        """Report a row that can't be imported."""
        self.left_behind[V1_TABLES[type(row)]].add(row_id)
        self.report(f"{problem}; left behind")

    def left(self, row_class: type[rows.Row], row_id: str | None) -> bool:
        """Return whether a row was left behind."""
        return row_id in self.left_behind[V1_TABLES[row_class]]
