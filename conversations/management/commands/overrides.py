"""List, compare, promote, reset, rebase and release isolated blocks."""

from argparse import ArgumentParser
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from django.core.management.base import CommandError
from django.db.models import QuerySet
from tqdm import tqdm

from conversations.domain.actor import Actor, Source
from conversations.domain.batches import in_batches
from conversations.domain.errors import DomainError
from conversations.domain.memory.bulk import Outcome, rebase_all, reset_all
from conversations.domain.memory.drift import (
    compare,
    preview_promotion,
    preview_rebase,
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


class Selection(NamedTuple):
    """The isolated blocks that the arguments select, and how they do."""

    rows: QuerySet[IsolatedBlock]
    agent: Agent | None
    label: str | None
    drifts: list[str]
    # Whether these are not all conversations of the agent.
    is_partial: bool


class Command(OperatorCommand):
    help = (
        "Compare isolated blocks with their shared blocks, and bring them in sync. Standard "
        "output has a line for each isolated block, in columns separated by tabs."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        for name, help_text in VERBS.items():
            verb = verbs.add_parser(name, help=help_text)
            verb.add_argument("--organization", metavar="NAME", help="only of this organization")
            verb.add_argument("--agent", metavar="ID", help="only of this agent")
            verb.add_argument("--conversation", metavar="ID", help="only of this conversation")
            verb.add_argument("--label", help="only of this label")
            verb.add_argument(
                "--drift",
                action="append",
                choices=Drift.values,
                default=[],
                help="only with this drift; repeatable",
            )
            if name in ("list", "diff"):
                continue
            verb.add_argument(
                "--dry-run", action="store_true", help="print the results and write nothing"
            )
            if name == "promote":
                verb.add_argument(
                    "--force", action="store_true", help="overwrite changes of the shared block"
                )
            if name == "rebase":
                verb.add_argument(
                    "--resolution",
                    metavar="FILE",
                    help="use the text of this file as the result, for one conversation",
                )

    def handle(self, *, verb: str, **options: Any) -> None:
        selection = self._select(**options)
        if verb == "list":
            return self._list(selection)
        if verb == "diff":
            return self._diff(selection)
        if not (options["label"] and (options["agent"] or options["conversation"])):
            raise CommandError(
                f"`{verb}` writes, so it needs --label, and --agent or --conversation."
            )
        dry_run = options["dry_run"]
        if verb == "promote":
            return self._promote(selection, force=options["force"], dry_run=dry_run)
        if verb == "release":
            return self._release(selection, dry_run=dry_run)
        if verb == "rebase" and options["resolution"] is not None:
            return self._resolve(selection, options["resolution"], dry_run=dry_run)
        return self._run_bulk(
            selection, rebase_all if verb == "rebase" else reset_all, dry_run=dry_run
        )

    def _list(self, selection: Selection) -> None:
        for isolation in _each(selection):
            columns = [isolation.conversation_id, isolation.label, isolation.drift]
            self.result("\t".join([*columns, str(isolation.block.version)]))

    def _diff(self, selection: Selection) -> None:
        for isolation in _each(selection):
            heading = f"{isolation.conversation_id}\t{isolation.label}\t{isolation.drift}"
            self.result(self.style.MIGRATE_HEADING(heading))
            self.print_diff(compare(isolation.conversation, isolation.label).unified)

    def _promote(self, selection: Selection, *, force: bool, dry_run: bool) -> None:
        conversation, label = _only(selection)
        if dry_run:
            promotion = preview_promotion(conversation, label, force=force)
        else:
            promotion = promote(conversation, label, by=BY, force=force)
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

    def _resolve(self, selection: Selection, path: str, *, dry_run: bool) -> None:
        conversation, label = _only(selection)
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"--resolution: can't read {path!r}: {error}") from None
        if dry_run:
            preview_rebase(conversation, label, resolution=text)
        else:
            rebase(conversation, label, by=BY, resolution=text)
        self._print_outcome(Outcome(conversation.pk, "applied"))

    def _release(self, selection: Selection, *, dry_run: bool) -> None:
        counts: Counter[str] = Counter()
        for isolation in _each(selection):
            outcome = Outcome(isolation.conversation_id, "applied")
            if not dry_run:
                try:
                    release_label(isolation.conversation, isolation.label, by=BY)
                except DomainError as error:  # Another process has released it since.
                    outcome = Outcome(isolation.conversation_id, "skipped", str(error))
            counts[outcome.outcome] += 1
            self._print_outcome(outcome)
        self._print_summary(counts, dry_run=dry_run)

    def _run_bulk(
        self, selection: Selection, verb: Callable[..., Iterator[Outcome]], *, dry_run: bool
    ) -> None:
        ids = None
        if selection.is_partial:
            ids = list(selection.rows.values_list("conversation", flat=True))
        counts: Counter[str] = Counter()
        outcomes = verb(
            selection.agent,
            selection.label,
            by=BY,
            conversation_ids=ids,
            drifts=selection.drifts,
            dry_run=dry_run,
        )
        for outcome in tqdm(outcomes, unit=" conversations", disable=None, leave=False):
            counts[outcome.outcome] += 1
            self._print_outcome(outcome)
        self._print_summary(counts, dry_run=dry_run)
        if counts["conflict"]:
            self.remark(
                "Conflicts were left as they are. Resolve each with --conversation ID "
                "--resolution FILE, where FILE contains the text to keep."
            )

    def _print_outcome(self, outcome: Outcome) -> None:
        self.result("\t".join(outcome).rstrip("\t"))

    def _print_summary(self, counts: Counter[str], *, dry_run: bool) -> None:
        totals = ", ".join(f"{n} {outcome}" for outcome, n in sorted(counts.items()))
        self.remark(f"{totals or 'No isolated block found'}.")
        if dry_run:
            self.remark("Dry run: nothing was written.")

    def _select(
        self,
        *,
        organization: str | None,
        agent: str | None,
        conversation: str | None,
        label: str | None,
        drift: list[str],
        **options: Any,
    ) -> Selection:
        rows = IsolatedBlock.objects.filter(
            conversation__deleted_at=None, conversation__agent__deleted_at=None
        )
        found_agent = None
        if organization:
            rows = rows.in_organization(find_organization(organization))
        if agent:
            found_agent = find_row(Agent.objects.live(), "agent", agent)
            rows = rows.filter(conversation__agent=found_agent)
        if conversation:
            found = find_row(Conversation.objects.live(), "conv", conversation)
            found_agent = found.agent
            rows = rows.filter(conversation=found)
        if label:
            rows = rows.filter(label=label)
        rows = rows.select_related("block", "conversation__agent").of_drifts(drift or Drift.values)
        return Selection(rows, found_agent, label, drift, bool(organization or conversation))


def _only(selection: Selection) -> tuple[Conversation, str]:
    """Return the conversation and the label of the only row, or raise CommandError."""
    found = list(selection.rows[:2])
    if len(found) != 1:
        count = "several" if found else "none"
        raise CommandError(
            f"Expected one isolated block, found {count}. Use --conversation and --label."
        )
    return found[0].conversation, found[0].label


def _each(selection: Selection) -> Iterator[Any]:
    """Yield the isolated blocks, which have the annotation `drift`."""
    for batch in in_batches(selection.rows):
        yield from batch
