"""Resetting or rebasing many isolated blocks: what it would do, and what it did."""

from collections import Counter, defaultdict
from typing import NamedTuple

from ..domain.memory.bulk import Outcome, rebase_all, reset_all
from ..models import Agent, Conversation
from .scope import actor

VERBS = {"reset": reset_all, "rebase": rebase_all}
SHOWN = 100  # outcomes named on a page; all are counted
# A request takes no more at once, so that it ends; `manage.py overrides` has no such bound.
MOST = 10_000


class Report(NamedTuple):
    """How many came out how, and the first of them with their conversations."""

    counts: dict[str, int]
    named: list[tuple[Outcome, Conversation | None]]
    left_out: int


def report_on(isolations, verb: str, request, *, dry_run: bool) -> Report:
    """Apply a verb to these isolated blocks, an agent's label after the other."""
    wanted = isolations.values_list("conversation__agent", "label", "conversation")
    found = list(wanted.order_by("pk")[: MOST + 1])
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for agent_id, label, conversation_id in found[:MOST]:
        groups[agent_id, label].append(conversation_id)
    agents = Agent.objects.in_bulk({agent_id for agent_id, _ in groups})
    counts: Counter[str] = Counter()
    named: list[Outcome] = []
    for (agent_id, label), ids in groups.items():
        outcomes = VERBS[verb](
            agents[agent_id], label, by=actor(request), conversation_ids=ids, dry_run=dry_run
        )
        for outcome in outcomes:
            counts[outcome.outcome] += 1
            if len(named) < SHOWN:
                named.append(outcome)
    conversations = Conversation.objects.in_bulk([outcome.conversation_id for outcome in named])
    return Report(
        dict(counts),
        [(outcome, conversations.get(outcome.conversation_id)) for outcome in named],
        isolations.count() - MOST if len(found) > MOST else 0,
    )
