from collections import Counter
from pathlib import Path

from django.core.management.base import CommandError
from tqdm import tqdm

from conversations.domain.actor import Actor, Source
from conversations.domain.batches import in_batches
from conversations.domain.errors import DomainError
from conversations.domain.memory.bulk import rebase_all, reset_all
from conversations.domain.memory.drift import (
    compare,
    preview_promotion,
    preview_rebase,
    promote,
    rebase,
)
from conversations.domain.memory.isolation import release_label
from conversations.ids import is_id
from conversations.models import Agent, Conversation, Drift, IsolatedBlock

from ._arguments import find_organization
from ._command import OperatorCommand

BY = Actor(None, Source.COMMAND)
VERBS = {
    "list": "print each isolated block: conversation, label, drift and version",
    "diff": "print how each isolated text differs from the shared one",
    "promote": "write one conversation's text to the shared block",
    "reset": "take the shared text again",
    "rebase": "merge what changed in the shared block into the isolated ones",
    "release": "read the shared block again; the copy is kept and can be brought back",
}


class Command(OperatorCommand):
    help = (
        "Compare isolated blocks with the shared ones they stand in for, and bring them together. "
        "Standard output has a line for each isolated block, in columns separated by tabs."
    )

    def add_arguments(self, parser):
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        for name, help_text in VERBS.items():
            verb = verbs.add_parser(name, help=help_text)
            verb.add_argument("--organization", metavar="NAME", help="only of this organization")
            verb.add_argument("--agent", metavar="ID", help="only of this agent")
            verb.add_argument("--conversation", metavar="ID", help="only of this conversation")
            verb.add_argument("--label", help="only of this label")
            verb.add_argument(
                "--drift", action="append", choices=Drift.values, default=[], help="only such"
            )
            if name in ("list", "diff"):
                continue
            verb.add_argument(
                "--dry-run", action="store_true", help="print what would be done, write nothing"
            )
            if name == "promote":
                verb.add_argument(
                    "--force", action="store_true", help="write over changes of the shared block"
                )
            if name == "rebase":
                verb.add_argument(
                    "--resolution", metavar="FILE", help="the text to keep, for one conversation"
                )

    def handle(self, *, verb, **options):
        rows = self._chosen(**options)
        if verb in ("list", "diff"):
            return getattr(self, verb)(rows)
        if not (options["label"] and (options["agent"] or options["conversation"])):
            raise CommandError(
                f"{verb} writes: say --label, and --agent or --conversation, so that it is clear "
                "where."
            )
        return getattr(self, verb)(rows, **options)

    def list(self, rows):
        for isolation in _each(rows):
            columns = [isolation.conversation_id, isolation.label, isolation.drift]
            self.result("\t".join([*columns, str(isolation.block.version)]))

    def diff(self, rows):
        for isolation in _each(rows):
            heading = f"{isolation.conversation_id}\t{isolation.label}\t{isolation.drift}"
            self.result(self.style.MIGRATE_HEADING(heading))
            self.print_diff(compare(isolation.conversation, isolation.label).unified)

    def promote(self, rows, *, force, dry_run, **options):
        conversation, label = self._one(rows)
        if dry_run:
            promotion = preview_promotion(conversation, label, force=force)
        else:
            promotion = promote(conversation, label, by=BY, force=force)
        block = promotion.block
        self.result(f"{block.pk}\t{block.label}\t{block.version}")
        verb = "would be" if dry_run else "was"
        what = f"{verb} written" if promotion.applied else "says that already"
        self.remark(
            f"Block {block.pk} {what}; {promotion.agents} agents and "
            f"{promotion.conversations} conversations read it."
        )

    def reset(self, rows, *, dry_run, drift, **options):
        self._in_bulk(rows, reset_all, dry_run=dry_run, drifts=drift)

    def rebase(self, rows, *, dry_run, drift, resolution, **options):
        if resolution is None:
            self._in_bulk(rows, rebase_all, dry_run=dry_run, drifts=drift)
            return
        conversation, label = self._one(rows)
        try:
            text = Path(resolution).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"--resolution: can't read {resolution!r}: {error}") from None
        if dry_run:
            preview_rebase(conversation, label, resolution=text)
        else:
            rebase(conversation, label, by=BY, resolution=text)
        self._report(Counter(), conversation.pk, "applied", "")

    def release(self, rows, *, dry_run, **options):
        counts: Counter = Counter()
        for isolation in _each(rows):
            outcome, detail = "applied", ""
            if not dry_run:
                try:
                    release_label(isolation.conversation, isolation.label, by=BY)
                except DomainError as error:  # somebody released it meanwhile
                    outcome, detail = "skipped", str(error)
            self._report(counts, isolation.conversation_id, outcome, detail)
        self._summary(counts, dry_run=dry_run)

    def _in_bulk(self, rows, verb, *, dry_run, drifts):
        ids = list(rows.values_list("conversation", flat=True)) if self._narrowed else None
        counts: Counter = Counter()
        outcomes = verb(
            self._agent,
            self._label,
            by=BY,
            conversation_ids=ids,
            drifts=drifts,
            dry_run=dry_run,
        )
        for outcome in tqdm(outcomes, unit=" conversations", disable=None, leave=False):
            self._report(counts, *outcome)
        self._summary(counts, dry_run=dry_run)

    def _report(self, counts: Counter, conversation_id: str, outcome: str, detail: str) -> None:
        counts[outcome] += 1
        self.result(f"{conversation_id}\t{outcome}\t{detail}".rstrip("\t"))

    def _summary(self, counts: Counter, *, dry_run: bool) -> None:
        told = ", ".join(f"{n} {outcome}" for outcome, n in sorted(counts.items())) or "none found"
        self.remark(f"{told}; a dry run, nothing was written." if dry_run else f"{told}.")

    def _chosen(self, *, organization, agent, conversation, label, drift, **options):
        rows = IsolatedBlock.objects.filter(
            conversation__deleted_at=None, conversation__agent__deleted_at=None
        )
        if organization:
            rows = rows.in_organization(find_organization(organization))
        if agent:
            self._agent = self._find(Agent, "agent", agent)
            rows = rows.filter(conversation__agent=self._agent)
        if conversation:
            found = self._find(Conversation, "conv", conversation)
            self._agent = found.agent
            rows = rows.filter(conversation=found)
        if label:
            rows = rows.filter(label=label)
        self._narrowed, self._label = bool(organization or conversation), label
        rows = rows.select_related("block", "conversation__agent")
        return rows.of_drifts(drift or Drift.values)

    def _one(self, rows) -> tuple[Conversation, str]:
        found = list(rows[:2])
        if len(found) != 1:
            many = "several isolated blocks fit" if found else "no isolated block fits"
            raise CommandError(f"Expected one; {many}. Say --conversation and --label.")
        return found[0].conversation, found[0].label

    def _find(self, model, prefix: str, value: str):
        if not is_id(prefix, value):
            raise CommandError(f"Expected an id like {prefix}-<uuid>, got {value!r}.")
        row = model.objects.live().filter(pk=value).first()
        if row is None:
            raise CommandError(f"No {model._meta.verbose_name} has the id {value!r}.")
        return row


def _each(rows):
    for batch in in_batches(rows):
        yield from batch
