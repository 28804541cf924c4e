import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from django.core.management.base import CommandError
from tqdm import tqdm

from conversations.ids import is_id
from conversations.transfer.letta_database.migration import compare, look, write
from conversations.transfer.letta_database.source import (
    KNOWN_REVISIONS,
    Scope,
    Source,
    open_source,
    resolve_organizations,
)
from conversations.transfer.letta_database.unmapped import leftover_rows, leftovers

from ._command import OperatorCommand


class Command(OperatorCommand):
    help = (
        "Bring organizations, users, agents, blocks, conversations, messages and runs from the "
        "database of a Letta V1 server, with their ids. It is only read, at one moment. Again, it "
        "brings what came since. Standard output names every row that was mended, and every "
        "difference that comparing both sides finds; the exit status is 1 if there is one."
    )

    def add_arguments(self, parser):
        parser.add_argument(
            "--from", required=True, metavar="URL", dest="url", help="postgresql://… of V1"
        )
        parser.add_argument(
            "--organization", action="append", metavar="NAME", help="only this one, by name or id"
        )
        parser.add_argument("--agent", action="append", metavar="ID", help="only this agent")
        parser.add_argument(
            "--deleted", action="store_true", help="keep what V1 deleted softly, as deleted here"
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="print what would come, write nothing"
        )
        parser.add_argument(
            "--sidecar", metavar="FILE", help="keep rows without a place here as JSON lines"
        )
        parser.add_argument(
            "--accept-revision", metavar="REVISION", help="try a schema that is not known"
        )

    def handle(self, *, url, organization, agent, deleted, dry_run, sidecar, **options):
        for agent_id in agent or []:
            if not is_id("agent", agent_id):
                raise CommandError(f"--agent: expected agent-<uuid>, got {agent_id!r}.")
        accept = options["accept_revision"]
        chosen = resolve_organizations(url, organization, accept) if organization else None
        with open_source(url, Scope(chosen, agent, deleted), accept=accept) as source:
            name = KNOWN_REVISIONS.get(source.revision)
            self.remark(
                f"V1 is at revision {source.revision}, "
                + (f"known from Letta {name}." if name else "which is not known here.")
            )
            self._bring(source, dry_run=dry_run, sidecar=sidecar)

    def _bring(self, source: Source, *, dry_run: bool, sidecar: str | None) -> None:
        with self._bar("looking") as advance:
            seen = look(source, tell=self.result, advance=advance)
        for leftover in leftovers(source):
            self.remark(f"{leftover.table}: {leftover.rows} rows, {leftover.what}")
        if sidecar and not dry_run:
            self._keep(source, sidecar)
        if dry_run:
            self._count("would come", seen.counts)
            self.remark("A dry run, nothing was written.")
            return
        with self._bar("writing", seen.rows) as advance:
            written = write(source, advance=advance)
        self._count("are new", written.counts)
        with self._bar("comparing", seen.rows) as advance:
            compared = compare(source, tell=self.result, advance=advance)
        for table, (theirs, ours) in compared.digests.items():
            self.remark(
                f"{table}: {compared.counts[table]} in V1 {theirs.hexdigest()[:16]}, "
                f"here {ours.hexdigest()[:16]}"
            )
        if compared.differences:
            raise CommandError(
                f"{compared.differences} rows differ from V1's; they are named above. Rows that "
                "were changed here since an earlier import stay as they are."
            )
        self.remark("Both sides say the same.")

    def _keep(self, source: Source, path: str) -> None:
        """V1 keeps keys and tokens in some of these rows: the file is for its owner alone."""
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
            descriptor = os.open(path, flags, 0o600)
            os.fchmod(descriptor, 0o600)  # One that was there keeps its own mode otherwise.
        except OSError as error:
            raise CommandError(f"--sidecar: can't write {path!r}: {error.strerror}.") from None
        kept = 0
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            for row in leftover_rows(source):
                file.write(row)
                kept += 1
        self.remark(f"{kept} rows without a place here are in {path}.")

    def _count(self, what: str, counts: Counter[str]) -> None:
        for table, count in counts.items():
            self.remark(f"{table}: {count} {what}")

    @contextmanager
    def _bar(self, what: str, total: int | None = None) -> Iterator:
        with tqdm(desc=what, total=total, unit=" rows", disable=None, leave=False) as bar:
            yield bar.update
