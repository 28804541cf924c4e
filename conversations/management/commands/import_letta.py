"""Import a Letta V1 database."""

import os
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Any

from django.core.management.base import CommandError
from tqdm import tqdm

from conversations.ids import is_id
from conversations.transfer.letta_database import importer
from conversations.transfer.letta_database.findings import Findings
from conversations.transfer.letta_database.unmapped import (
    count_unmapped,
    lost_rows,
    unmapped_rows,
)
from conversations.transfer.letta_database.v1_database import (
    KNOWN_REVISIONS,
    Scope,
    V1Database,
    open_v1_database,
    resolve_organizations,
)

from ._command import OperatorCommand

LOST = "are left behind or imported in part"


class Command(OperatorCommand):
    help = (
        "Import organizations, members, agents, blocks, conversations, messages and runs, with "
        "their ids, from the database of a Letta V1 server, which is only read. Run it again to "
        "import what is new. Standard output lists each repaired row, and each difference that "
        "verifying finds. The exit status is 1 if there is a difference, or a row that can't be "
        "imported and is not in a --sidecar."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        add = parser.add_argument
        add("--from", required=True, metavar="URL", dest="url", help="V1's postgresql://… URL")
        add(
            "--organization",
            action="append",
            metavar="NAME",
            help="import only this organization, by name or id; repeatable",
        )
        add("--agent", action="append", metavar="ID", help="import only this agent; repeatable")
        add("--deleted", action="store_true", help="import soft-deleted rows too, as deleted")
        add("--dry-run", action="store_true", help="check every row, write nothing")
        add("--sidecar", metavar="FILE", help="write the rows that can't be imported to JSON lines")
        add("--accept-revision", metavar="REVISION", help="try an unsupported schema revision")

    def handle(self, *, url: str, agent: list[str] | None, **options: Any) -> None:
        for agent_id in agent or []:
            if not is_id("agent", agent_id):
                raise CommandError(f"--agent: expected agent-<uuid>, got {agent_id!r}.")
        names, revision = options["organization"], options["accept_revision"]
        organizations = resolve_organizations(url, names, revision) if names else None
        scope = Scope(organizations, agent, options["deleted"])
        with open_v1_database(url, scope, accept_revision=revision) as v1:
            release = KNOWN_REVISIONS.get(v1.revision)
            name = f"Letta {release}" if release else "an unsupported revision"
            self.remark(f"The V1 database is at revision {v1.revision} ({name}).")
            self._import(v1, dry_run=options["dry_run"], sidecar=options["sidecar"])

    def _import(self, v1: V1Database, *, dry_run: bool, sidecar: str | None) -> None:
        findings = Findings(self.result)
        with self._progress("checking") as advance:
            checked = importer.check(v1, findings=findings, advance=advance)
        for rows in count_unmapped(v1):
            what = "imported in part or not at all" if rows.is_partial else "not imported"
            self.remark(f"{rows.table}: {rows.row_count} rows {what}")
        if dry_run:
            self._print_counts("to import", checked.counts)
            if findings.losses:
                self.remark(f"{findings.losses} rows {LOST}. --sidecar keeps them as they are.")
            self.remark("Dry run: nothing was written.")
            return
        if sidecar:
            self._write_sidecar(v1, findings, sidecar)
        with self._progress("importing", checked.row_count) as advance:
            inserted = importer.insert(v1, findings=findings, advance=advance)
        self._print_counts("imported", inserted.counts)
        with self._progress("verifying", checked.row_count) as advance:
            verified = importer.verify(v1, findings=findings, report=self.result, advance=advance)
        for table, (theirs, ours) in verified.digests.items():
            self.remark(
                f"{table}: {verified.counts[table]} rows, SHA-256 {theirs.hexdigest()[:16]} in V1, "
                f"{ours.hexdigest()[:16]} here"
            )
        if verified.differences:
            raise CommandError(
                f"{verified.differences} rows differ from V1; each is listed above. Rows changed "
                "here since an earlier import are left as they are."
            )
        if findings.losses and not sidecar:
            raise CommandError(
                f"{findings.losses} rows {LOST}; each is listed above. Everything else is stored. "
                "--sidecar FILE keeps them as they are."
            )
        self.remark("Verified: every row is stored as it was converted.")

    def _write_sidecar(self, v1: V1Database, findings: Findings, path: str) -> None:
        """Write the rows that are lost to a file that only its owner may read.

        Secrets are in it.
        """
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
            descriptor = os.open(path, flags, 0o600)
            os.fchmod(descriptor, 0o600)  # An existing file keeps its mode otherwise.
        except OSError as error:
            raise CommandError(f"--sidecar: can't write {path!r}: {error.strerror}.") from None
        count = 0
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            for line in chain(unmapped_rows(v1), lost_rows(v1, findings)):
                file.write(line)
                count += 1
        self.remark(f"{count} rows that can't be imported are in {path}.")

    def _print_counts(self, what: str, counts: Counter[str]) -> None:
        for table, count in counts.items():
            self.remark(f"{table}: {count} {what}")

    @contextmanager
    def _progress(self, what: str, total: int | None = None) -> Iterator[Callable[[int], Any]]:
        with tqdm(desc=what, total=total, unit=" rows", disable=None, leave=False) as bar:
            yield bar.update
