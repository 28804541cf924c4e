"""List, compare, promote, reset, rebase and release isolated blocks."""

from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.db.models import QuerySet
from tqdm import tqdm

from conversations.domain.actor import Actor, Source
from conversations.domain.batches import in_batches
from conversations.domain.errors import DomainError
from conversations.domain.memory.bulk import BulkOutcome, rebase_all, reset_all
from conversations.domain.memory.drift import (
    compare,
    promote,
    rebase,
)
from conversations.domain.memory.isolation import release_label
from conversations.models import Agent, Conversation, Drift, IsolatedBlock

from ._arguments import find_organization, find_row
from ._command import OperatorCommand

BY = Actor(None, Source.COMMAND)
VERBS = {
    "list": "print each isolated block: conversation, label, drift and version",
    "diff": "print how each isolated block differs from the shared block",
    "promote": "write the text of one isolated block to the shared block",
    "reset": "replace the isolated text with the shared text",
    "rebase": "merge changes of the shared block into the isolated blocks",
    "release": "read the shared block again; the isolated block is kept and can be restored",
}


class Command(OperatorCommand):
    help = (
        "Compare isolated blocks with their shared blocks, and bring them in sync. Standard "
        "output has a line for each isolated block, in columns separated by tabs."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        for name, help_text in VERBS.items():
            add = verbs.add_parser(name, help=help_text).add_argument
            add("--organization", metavar="NAME", help="only of this organization")
            add("--agent", metavar="ID", help="only of this agent")
            add("--conversation", metavar="ID", help="only of this conversation")
            add("--label", help="only of this label")
            drift_help = "only with this drift; repeatable"
            add("--drift", action="append", choices=Drift.values, default=[], help=drift_help)
            if name in ("list", "diff"):
                continue
            add("--dry-run", action="store_true", help="print the results and write nothing")
            if name == "promote":
                add("--force", action="store_true", help="overwrite changes of the shared block")
            if name == "rebase":
                text = "use the text of this file as the result, for one conversation"
                add("--resolution", metavar="FILE", help=text)

    def handle(self, *, verb: str, dry_run: bool = False, **options: Any) -> None:
        agent, rows = self._select(**options)
        if verb == "list":
            return self._list(rows)
        if verb == "diff":
            return self._diff(rows)
        if not (options["label"] and agent):
            raise CommandError(
                f"`{verb}` writes, so it needs --label, and --agent or --conversation."
            )
        if verb == "promote":
            return self._promote(rows, force=options["force"], dry_run=dry_run)
        if verb == "rebase" and options["resolution"] is not None:
            return self._resolve(rows, options["resolution"], dry_run=dry_run)
        if verb == "release":
            return self._print_outcomes(_release(rows, dry_run=dry_run), dry_run=dry_run)
        ids = None  # all conversations of the agent
        if options["organization"] or options["conversation"]:
            ids = list(rows.values_list("conversation", flat=True))
        bulk_verb = rebase_all if verb == "rebase" else reset_all
        label, drifts = options["label"], options["drift"]
        outcomes = bulk_verb(
            agent, label, by=BY, conversation_ids=ids, drifts=drifts, dry_run=dry_run
        )
        return self._print_outcomes(outcomes, dry_run=dry_run)

    def _select(self, **options: Any) -> tuple[Agent | None, QuerySet[IsolatedBlock]]:
        """Return the agent that the options name, if any, and the isolated blocks they select."""
        rows = IsolatedBlock.objects.filter(
            conversation__deleted_at=None, conversation__agent__deleted_at=None
        )
        agent = None
        if name := options["organization"]:
            rows = rows.in_organization(find_organization(name))
        if agent_id := options["agent"]:
            agent = find_row(Agent.objects.live(), "agent", agent_id)
            rows = rows.filter(conversation__agent=agent)
        if conversation_id := options["conversation"]:
            conversation = find_row(Conversation.objects.live(), "conv", conversation_id)
            agent = conversation.agent
            rows = rows.filter(conversation=conversation)
        if label := options["label"]:
            rows = rows.filter(label=label)
        drifts = options["drift"] or Drift.values
        return agent, rows.select_related("block", "conversation__agent").of_drifts(drifts)

    def _list(self, rows: QuerySet[IsolatedBlock]) -> None:
        for isolation in _each(rows):
            columns = [isolation.conversation_id, isolation.label, isolation.drift]
            self.result("\t".join([*columns, str(isolation.block.version)]))

    def _diff(self, rows: QuerySet[IsolatedBlock]) -> None:
        for isolation in _each(rows):
            heading = f"{isolation.conversation_id}\t{isolation.label}\t{isolation.drift}"
            self.result(self.style.MIGRATE_HEADING(heading))
            self.print_diff(compare(isolation.conversation, isolation.label).unified)

    def _promote(self, rows: QuerySet[IsolatedBlock], *, force: bool, dry_run: bool) -> None:
        conversation, label = _only(rows)
        promotion = promote(conversation, label, by=BY, force=force, dry_run=dry_run)
        block = promotion.block
        self.result(f"{block.pk}\t{block.label}\t{block.version}")
        if not promotion.applied:
            what = "already has this text"
        else:
            what = "would be written" if dry_run else "was written"
        self.remark(
            f"Block {block.pk} {what}. Read by agents: {promotion.agents}, "
            f"conversations: {promotion.conversations}."
        )

    def _resolve(self, rows: QuerySet[IsolatedBlock], path: str, *, dry_run: bool) -> None:
        conversation, label = _only(rows)
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"--resolution: can't read {path!r}: {error}") from None
        rebase(conversation, label, by=BY, resolution=text, dry_run=dry_run)
        self._print_outcomes([BulkOutcome(conversation.pk, "applied")], dry_run=dry_run)

    def _print_outcomes(self, outcomes: Iterable[BulkOutcome], *, dry_run: bool) -> None:
        counts: Counter[str] = Counter()
        for outcome in tqdm(outcomes, unit=" conversations", disable=None, leave=False):
            counts[outcome.outcome] += 1
            self.result("\t".join(outcome).rstrip("\t"))
        totals = ", ".join(f"{n} {outcome}" for outcome, n in sorted(counts.items()))
        self.remark(f"{totals or 'No isolated block found'}.")
        if dry_run:
            self.remark("Dry run: nothing was written.")
        if counts["conflict"]:
            self.remark(
                "Conflicts were left as they are. Resolve each with --conversation ID "
                "--resolution FILE, where FILE contains the text to keep."
            )


def _release(rows: QuerySet[IsolatedBlock], *, dry_run: bool) -> Iterator[BulkOutcome]:
    for isolation in _each(rows):
        outcome = BulkOutcome(isolation.conversation_id, "applied")
        if not dry_run:
            try:
                release_label(isolation.conversation, isolation.label, by=BY)
            except DomainError as error:  # Another process has released it since.
                outcome = BulkOutcome(isolation.conversation_id, "skipped", str(error))
        yield outcome


def _only(rows: QuerySet[IsolatedBlock]) -> tuple[Conversation, str]:
    """Return the conversation and the label of the only row, or raise CommandError."""
    found = list(rows[:2])
    if len(found) != 1:
        count = "several" if found else "none"
        raise CommandError(
            f"Expected one isolated block, found {count}. Use --conversation and --label."
        )
    return found[0].conversation, found[0].label


def _each(rows: QuerySet[IsolatedBlock]) -> Iterator[Any]:
    """Yield the isolated blocks, which have the annotation `drift`."""
    for batch in in_batches(rows):
        yield from batch
