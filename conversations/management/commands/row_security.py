"""Enable, disable or check row-level security on PostgreSQL."""

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.db import connection

from conversations.domain import row_security

from ._command import OperatorCommand

ROLE = "palimpsest_app"


class Command(OperatorCommand):
    help = (
        "Let PostgreSQL itself show a request the rows of its organization only. Run `enable` and "
        "`disable` as the owner of the tables, and the server as another role, because owners "
        "are exempt."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        enable = verbs.add_parser(
            "enable", help="create the policies and a role for the server; may be repeated"
        )
        enable.add_argument(
            "--role", default=ROLE, metavar="NAME", help=f"the server's role (default: {ROLE})"
        )
        enable.add_argument(
            "--password-file",
            metavar="PATH",
            help="set the role's password to the content of a file, - for standard input; "
            "without it, a new role gets a random password, which is printed",
        )
        verbs.add_parser("disable", help="remove the policies; the role keeps its privileges")
        verbs.add_parser(
            "status", help="print what each table has; exit with 1 unless all are protected"
        )

    def handle(self, *, verb: str, **options: Any) -> None:
        if connection.vendor != "postgresql":
            raise CommandError("Row-level security needs PostgreSQL; this database is SQLite.")
        getattr(self, f"_{verb}")(**options)

    def _enable(self, *, role: str, password_file: str | None, **options: Any) -> None:
        password = _read(password_file) if password_file else None
        generated = row_security.enable(role, password=password)
        count = len(row_security.status().tables)
        self.remark(f"Row-level security is enabled on {count} tables.")
        if generated:
            self.remark(f"Connect the server as {role}. The password is shown only this once:")
            self.result(generated)

    def _disable(self, **options: Any) -> None:
        row_security.disable()
        self.remark("Row-level security is disabled.")

    def _status(self, **options: Any) -> None:
        status = row_security.status()
        for table, state in sorted(status.tables.items()):
            self.result(f"{state.value:<10}{table}")
        verb = "is subject" if status.is_enforced else "is not subject"
        self.remark(f"The role {status.role} {verb} to the policies.")
        if not status.is_complete:
            raise CommandError("Not all tables are protected: run `row_security enable`.")


def _read(path: str) -> str:
    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"--password-file: cannot read {path!r}: {error}") from None
    if not text.strip():
        raise CommandError(f"--password-file: {path!r} is empty")
    return text.rstrip("\r\n")
