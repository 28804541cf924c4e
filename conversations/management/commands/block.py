from django.core.management.base import CommandError

from conversations.domain.actor import Actor, Source
from conversations.domain.diffs import unified
from conversations.domain.memory.revisions import find_revision, restore_revision
from conversations.ids import is_id
from conversations.models import Block

from ._arguments import positive
from ._command import OperatorCommand


class Command(OperatorCommand):
    help = "Show what a block has said, and bring back what it said once."

    def add_arguments(self, parser):
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        history = verbs.add_parser("history", help="print its revisions, newest first")
        history.add_argument("block", metavar="ID")
        history.add_argument(
            "--limit", type=positive, default=20, help="print at most so many (default: 20)"
        )
        history.add_argument(
            "--diff", action="store_true", help="print with each what it changed, as a diff"
        )
        restore = verbs.add_parser("restore", help="take the state of a revision, as a new one")
        restore.add_argument("block", metavar="ID")
        restore.add_argument("number", type=positive)
        restore.add_argument("--reason", default="", help="kept with the revision")
        restore.add_argument(
            "--dry-run", action="store_true", help="print what would change, and write nothing"
        )

    def handle(self, *, verb, block, **options):
        getattr(self, verb)(self._block(block), **options)

    def history(self, block, *, limit, diff, **options):
        # One more than is printed: the oldest of them needs what it changed.
        revisions = list(block.revisions.select_related("written_by")[: limit + 1])
        for revision, older in zip(revisions[:limit], [*revisions[1:], None], strict=False):
            who = revision.written_by or "-"
            line = (
                f"{revision.number}\t{revision.written_at:%Y-%m-%d %H:%M:%S}\t{revision.source}"
                f"\t{who}\t{len(revision.value)} characters\t{revision.reason or '-'}"
            )
            self.result(line)
            if diff:
                before = older.value if older else ""
                names = (f"revision {revision.number - 1}", f"revision {revision.number}")
                self.print_diff(unified(before, revision.value, *names))

    def restore(self, block, *, number, reason, dry_run, **options):
        if dry_run:
            wanted = find_revision(block, number)
            names = (f"revision {block.version}", f"revision {number}")
            self.print_diff(unified(block.value, wanted.value, *names))
            return
        before = block.version
        block = restore_revision(block, number, by=Actor(None, Source.COMMAND), reason=reason)
        if block.version == before:
            self.remark(f"Block {block.pk} says that already; nothing was written.")
        else:
            self.result(f"{block.pk}\t{block.version}")
            self.remark(f"Revision {block.version} says what revision {number} said.")

    def _block(self, block_id: str) -> Block:
        if not is_id("block", block_id):
            raise CommandError(f"Expected an id like block-<uuid>, got {block_id!r}.")
        block = Block.objects.filter(deleted_at=None, pk=block_id).first()
        if block is None:
            raise CommandError(f"No block has the id {block_id!r}.")
        return block
