"""Print a block's revisions and restore one."""

from argparse import ArgumentParser
from typing import Any

from conversations.domain.actor import Actor, Source
from conversations.domain.diffs import unified
from conversations.domain.memory.revisions import find_revision, restore_revision
from conversations.models import Block

from ._arguments import find_row, positive
from ._command import OperatorCommand


class Command(OperatorCommand):
    help = "Print a block's revisions, or restore one of them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        history = verbs.add_parser("history", help="print the revisions, newest first")
        history.add_argument("block", metavar="ID")
        limit_help = "print at most N revisions (default: 20)"
        history.add_argument("--limit", type=positive, default=20, metavar="N", help=limit_help)
        history.add_argument("--diff", action="store_true", help="print each change as a diff")
        restore = verbs.add_parser("restore", help="write an earlier revision as a new one")
        restore.add_argument("block", metavar="ID")
        restore.add_argument("number", type=positive, help="the number of the revision")
        restore.add_argument("--reason", default="", help="the reason to store with the revision")
        dry_run_help = "print the change and write nothing"
        restore.add_argument("--dry-run", action="store_true", help=dry_run_help)

    def handle(self, *, verb: str, block: str, **options: Any) -> None:
        row = find_row(Block.objects.filter(deleted_at=None), "block", block)
        if verb == "history":
            self._history(row, options["limit"], diff=options["diff"])
        elif options["dry_run"]:
            revision = find_revision(row, options["number"])
            self._print_change(row.version, row.value, revision.number, revision.value)
        else:
            self._restore(row, options["number"], reason=options["reason"])

    def _history(self, block: Block, limit: int, *, diff: bool) -> None:
        # One more than printed: the diff of the oldest needs its predecessor.
        revisions = list(block.revisions.select_related("written_by")[: limit + 1])
        for revision, older in zip(revisions[:limit], [*revisions[1:], None], strict=False):
            who = revision.written_by or "-"
            line = (
                f"{revision.number}\t{revision.written_at:%Y-%m-%d %H:%M:%S}\t{revision.source}"
                f"\t{who}\t{len(revision.value)} characters\t{revision.reason or '-'}"
            )
            self.result(line)
            if diff:
                before, number = older.value if older else "", revision.number
                self._print_change(number - 1, before, number, revision.value)

    def _print_change(self, old_number: int, old: str, number: int, new: str) -> None:
        self.print_diff(unified(old, new, f"revision {old_number}", f"revision {number}"))

    def _restore(self, block: Block, number: int, *, reason: str) -> None:
        before = block.version
        block = restore_revision(block, number, by=Actor(None, Source.COMMAND), reason=reason)
        if block.version == before:
            self.remark(f"Block {block.pk} already equals revision {number}; nothing was written.")
        else:
            self.result(f"{block.pk}\t{block.version}")
            self.remark(f"Revision {number} is restored as revision {block.version}.")
