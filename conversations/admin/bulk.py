"""Reset or rebase many isolated blocks, or report what that would do."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from typing import NamedTuple

from django.db.models import QuerySet
from django.http import HttpRequest

from ..domain.memory.bulk import BulkOutcome, rebase_all, reset_all
from ..models import Agent, Conversation, Drift, IsolatedBlock
from .scope import actor

VERBS: dict[str, Callable[..., Iterator[BulkOutcome]]] = {"reset": reset_all, "rebase": rebase_all}
MAX_NAMED = 100  # outcomes listed on a page; all are counted
MAX_ROWS = 10_000  # in one request; `manage.py overrides` has no maximum


class NamedOutcome(NamedTuple):
    """The outcome for one conversation, which may have been deleted meanwhile."""

    conversation_id: str
    conversation: Conversation | None
    outcome: str
    detail: str


class Report(NamedTuple):
    """The number of rows by outcome, the first outcomes, and how many rows were left out."""

    counts: dict[str, int]
    outcomes: list[NamedOutcome]
    left_out: int

    def __str__(self) -> str:
        return ", ".join(f"{number:,} {outcome}" for outcome, number in self.counts.items())


def apply_in_bulk(
    isolations: QuerySet[IsolatedBlock], verb: str, request: HttpRequest, *, dry_run: bool
) -> Report:
    """Apply a verb to at most MAX_ROWS isolated blocks, grouped by agent and label."""
    rows = isolations.values_list("conversation__agent", "label", "conversation")
    found = list(rows.order_by("pk")[: MAX_ROWS + 1])
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for agent_id, label, conversation_id in found[:MAX_ROWS]:
        groups[agent_id, label].append(conversation_id)
    agents = Agent.objects.in_bulk({agent_id for agent_id, _ in groups})
    counts: Counter[str] = Counter()
    named: list[BulkOutcome] = []
    for (agent_id, label), ids in groups.items():
        for outcome in VERBS[verb](
            agents[agent_id], label, by=actor(request), conversation_ids=ids, dry_run=dry_run
        ):
            counts[outcome.outcome] += 1
            if len(named) < MAX_NAMED:
                named.append(outcome)
    conversations = Conversation.objects.in_bulk([outcome.conversation_id for outcome in named])
    outcomes = [
        NamedOutcome(
            outcome.conversation_id,
            conversations.get(outcome.conversation_id),
            outcome.outcome,
            # An applied verb reports the drift that it ended.
            str(Drift(outcome.detail).label) if outcome.detail in Drift.values else outcome.detail,
        )
        for outcome in named
    ]
    left_out = isolations.count() - MAX_ROWS if len(found) > MAX_ROWS else 0
    return Report(dict(counts), outcomes, left_out)
