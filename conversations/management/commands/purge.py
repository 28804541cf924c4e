"""Remove deleted rows for good."""

import sys
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone
from tqdm import tqdm

from conversations.domain.conversations.purge import MODELS, Counts, count_purgeable, purge

from ._arguments import days
from ._command import OperatorCommand


class Command(OperatorCommand):
    help = (
        "Remove for good what was deleted some time ago: conversations with their isolated "
        "blocks, agents with their conversations, blocks, and messages that no conversation "
        "contains. Prints the number of rows of each kind. Can be interrupted and run again."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        add = parser.add_argument
        add(
            "--older-than",
            default=30,
            metavar="DAYS",
            type=days(at_least=0),
            help="keep what was deleted within the last DAYS days (default: 30)",
        )
        add("--dry-run", action="store_true", help="count the rows and remove nothing")
        add(
            *("--yes", "--no-input", "--noinput"),
            dest="asks",
            action="store_false",
            help="do not ask for confirmation, which only a terminal is asked for",
        )

    def handle(self, *, older_than: int, dry_run: bool, asks: bool, **options: Any) -> None:
        deleted_before = timezone.now() - timedelta(days=older_than)
        if asks and not dry_run and sys.stdin.isatty():
            self._confirm(deleted_before)
        if dry_run:
            counts = count_purgeable(deleted_before)
            self.remark("Dry run: nothing was removed.")
        else:
            counts = Counter()
            batches = purge(deleted_before)
            for batch in tqdm(batches, unit=" batches", disable=None, leave=False):
                counts += batch
        for line in _lines(counts):
            self.stdout.write(line)

    def _confirm(self, deleted_before: datetime) -> None:
        counts = count_purgeable(deleted_before)
        self.remark(f"To be removed for good, because deleted before {deleted_before:%F %H:%M %Z}:")
        for line in _lines(counts):
            self.remark(line)
        if input("Remove these rows? They can't be restored. [yes/no] ").strip().lower() != "yes":
            raise CommandError("Nothing was removed.")


def _lines(counts: Counts) -> Iterator[str]:
    for kind in MODELS:
        yield f"{kind._meta.verbose_name_plural:<15}{counts[kind]:>8}"
