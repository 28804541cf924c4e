"""Remove deleted rows for good."""

from argparse import ArgumentParser
from collections import Counter
from datetime import timedelta
from typing import Any

from django.utils import timezone
from tqdm import tqdm

from conversations.domain.conversations.purge import MODELS, count_purgeable, purge

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

    def handle(self, *, older_than: int, dry_run: bool, **options: Any) -> None:
        deleted_before = timezone.now() - timedelta(days=older_than)
        if dry_run:
            counts = count_purgeable(deleted_before)
            self.remark("Dry run: nothing was removed.")
        else:
            counts = Counter()
            batches = purge(deleted_before)
            for batch in tqdm(batches, unit=" batches", disable=None, leave=False):
                counts += batch
        for kind in MODELS:
            self.stdout.write(f"{kind._meta.verbose_name_plural:<15}{counts[kind]:>8}")
