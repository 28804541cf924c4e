"""Every list has a total order, so that cursor pagination returns each row once."""

from datetime import timedelta

import pytest
from django.utils import timezone

from conversations.models import Agent, Block, Conversation, Message, Run

from ..factories import make_agent, make_block, make_conversation, make_messages, make_run

MOMENT = timezone.now()


@pytest.fixture
def world(alice) -> dict[str, str]:
    """Create five rows for each list with equal creation times; two have no later times."""
    agent = make_agent(alice)
    conversation = make_conversation(agent)
    make_messages(conversation, "1", "2", "3", "4")
    blocks = [make_block(alice, label=f"b{i}") for i in range(5)]
    for _ in range(4):
        make_agent(alice, blocks=[blocks[0]])
    Agent.objects.filter(pk=agent.pk).update(tags=["a", "b", "c", "d", "e"])
    make_agent(alice, blocks=blocks, hidden=True)
    others = [make_conversation(agent) for _ in range(4)]
    for other in [conversation, *others]:
        make_run(other)
    times = [MOMENT, MOMENT, MOMENT - timedelta(days=1)]
    for model in (Agent, Block, Conversation, Message, Run):
        model.objects.update(created_at=MOMENT)
    for row, moment in zip([conversation, *others], times, strict=False):
        Conversation.objects.filter(pk=row.pk).update(
            last_message_at=moment, last_run_completed_at=moment
        )
    for row, moment in zip(Agent.objects.filter(hidden=None), times, strict=False):
        Agent.objects.filter(pk=row.pk).update(last_run_completed_at=moment, updated_at=moment)
    hidden = Agent.objects.get(hidden=True)
    return {"agent": agent.pk, "conv": conversation.pk, "block": blocks[0].pk, "hub": hidden.pk}


LISTS = [
    "conversations/?order_by=created_at",
    "conversations/?order_by=last_message_at",
    "conversations/?order_by=last_run_completion",
    "agents/?order_by=created_at",
    "agents/?order_by=updated_at",
    "agents/?order_by=last_run_completion",
    "blocks/?order_by=created_at",
    "blocks/?connected_to_agents_count_gt=0",
    "blocks/{block}/agents?show_hidden_agents=true",
    "agents/{hub}/core-memory/blocks?",
    "conversations/{conv}/messages?",
    "agents/{agent}/messages?",
    "agents/{agent}/messages?conversation_id={conv}",
    "messages/?",
    "runs/?",
    "tags/?",
]
# Oldest first in either order, as in V1; `desc` only means the newest ones.
OLDEST_FIRST = [path for path in LISTS if "messages" in path and "conversations/" not in path]
IN_BOTH_ORDERS = [
    (path, order)
    for path in LISTS
    for order in ("asc", "desc")
    if order == "asc" or path not in OLDEST_FIRST
]


def key(row) -> str:
    return row if isinstance(row, str) else row["id"]


def walk(client, path: str, cursor: str) -> list[str]:
    """Return the rows of all pages of two, in order."""
    seen, at = [], ""
    while page := [key(row) for row in client.get(f"{path}&limit=2{at}").json()]:
        seen += page if cursor == "after" else page[::-1]
        at = f"&{cursor}={seen[-1]}"
        assert len(seen) < 100
    return seen


@pytest.mark.parametrize(("path", "order"), IN_BOTH_ORDERS)
def test_after_visits_each_row_once(client_for, alice, world, path, order):
    """V1 skipped rows with equal times and conversations without messages.

    It also restarted lists of messages in descending order.
    """
    client, path = client_for(alice), f"/v1/{path.format(**world)}&order={order}"
    every = [key(row) for row in client.get(path).json()]

    seen = walk(client, path, "after")

    assert len(every) >= 5
    assert seen == every


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("path", LISTS)
def test_before_returns_preceding_pages(client_for, alice, world, path, order):
    client, path = client_for(alice), f"/v1/{path.format(**world)}&order={order}"
    every = [key(row) for row in client.get(path).json()]

    seen = walk(client, f"{path}&before={every[-1]}", "before")

    assert seen == every[-2::-1]


@pytest.mark.parametrize("path", OLDEST_FIRST)
def test_newest_messages_are_listed_oldest_first(client_for, alice, world, path):
    client, path = client_for(alice), f"/v1/{path.format(**world)}"
    every = [key(row) for row in client.get(f"{path}&order=asc&limit=1000").json()]

    newest = [key(row) for row in client.get(f"{path}&limit=3").json()]
    older = [key(row) for row in client.get(f"{path}&limit=1&before={newest[0]}").json()]
    newer = [key(row) for row in client.get(f"{path}&limit=1&after={newest[0]}").json()]

    assert newest == every[-3:]
    assert (older, newer) == (every[-4:-3], every[-2:-1])


@pytest.mark.parametrize("path", OLDEST_FIRST)
def test_before_visits_each_message_once(client_for, alice, world, path):
    client, path = client_for(alice), f"/v1/{path.format(**world)}"
    every = [key(row) for row in client.get(f"{path}&order=asc&limit=1000").json()]

    seen, at = [], ""
    while found := [key(row) for row in client.get(f"{path}&limit=2{at}").json()]:
        seen, at = [*found, *seen], f"&before={found[0]}"

    assert seen == every


@pytest.mark.parametrize(
    "path", [p for p in LISTS if "connected" not in p and p not in OLDEST_FIRST]
)
def test_orders_are_reversed_except_for_nulls(client_for, alice, world, path):
    client, path = client_for(alice), f"/v1/{path.format(**world)}"

    up, down = (
        [key(row) for row in client.get(f"{path}&order={order}").json()]
        for order in ("asc", "desc")
    )

    dated = 3 if "last_" in path else len(up)
    assert up[:dated] == down[:dated][::-1]
    assert up[dated:] == down[dated:][::-1]


def test_nulls_are_last_in_both_orders(client_for, alice, world):
    client = client_for(alice)

    for order in ("asc", "desc"):
        path = f"/v1/conversations/?order_by=last_message_at&order={order}"
        dated = [row["last_message_at"] is not None for row in client.get(path).json()]
        assert dated == [True, True, True, False, False]


@pytest.mark.parametrize("path", ["conversations", "blocks", "agents"])
def test_deleted_row_remains_a_cursor(client_for, alice, world, path):
    client = client_for(alice)
    every = [row["id"] for row in client.get(f"/v1/{path}/").json()]
    client.delete(f"/v1/{path}/{every[1]}")

    rest = [row["id"] for row in client.get(f"/v1/{path}/?after={every[1]}").json()]

    assert rest == every[2:]


def test_deleted_agent_remains_a_cursor_of_block(client_for, alice, world):
    client, path = client_for(alice), f"/v1/blocks/{world['block']}/agents"
    every = [row["id"] for row in client.get(path).json()]
    client.delete(f"/v1/agents/{every[1]}")

    rest = [row["id"] for row in client.get(f"{path}?after={every[1]}").json()]

    assert rest == every[2:]


def test_page_between_two_cursors(client_for, alice, world):
    client = client_for(alice)
    every = [row["id"] for row in client.get("/v1/blocks/").json()]

    reply = client.get(f"/v1/blocks/?after={every[0]}&before={every[4]}&limit=2")

    assert [row["id"] for row in reply.json()] == every[1:3]


WITH_IDS = [path for path in LISTS if not path.startswith("tags")]


@pytest.mark.parametrize("cursor", ["after", "before"])
@pytest.mark.parametrize("path", WITH_IDS)
def test_unknown_cursor_is_404(client_for, alice, world, path, cursor):
    """V1 ignored some unknown cursors and returned all rows or none."""
    client, path = client_for(alice), f"/v1/{path.format(**world)}"
    known = key(client.get(path).json()[0])
    unknown = f"{known.partition('-')[0]}-00000000-0000-4000-8000-000000000000"

    reply = client.get(f"{path}&{cursor}={unknown}")

    assert reply.status_code == 404
    assert reply.json() == {"detail": f"{cursor}: no row with id '{unknown}' to page from"}


@pytest.mark.parametrize("cursor", ["nonsense", "", "user-00000000-0000-4000-8000-000000000000"])
@pytest.mark.parametrize("path", WITH_IDS)
def test_malformed_cursor_is_422(client_for, alice, world, path, cursor):
    reply = client_for(alice).get(f"/v1/{path.format(**world)}&after={cursor}")

    assert reply.status_code == 422
    assert reply.json()["detail"].startswith("after: expected ")
    assert reply.json()["detail"].endswith(f"-<uuid4>, got {cursor!r}")


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        ("0", "expected at least 1, got 0"),
        ("-1", "expected at least 1, got -1"),
        ("1001", "expected at most 1000, got 1001"),
        ("9" * 400, f"expected at most 1000, got {'9' * 400}"),
        ("ten", 'expected an integer, got "ten"'),
        ("1.5", 'expected an integer, got "1.5"'),
        ("", 'expected an integer, got ""'),
        ("null", 'expected an integer, got "null"'),
    ],
)
@pytest.mark.parametrize("path", LISTS)
def test_limit_outside_1_to_1000_is_422(client_for, alice, world, path, limit, expected):
    """V1 returned 500 for -1; for 0, some lists returned no row and others all."""
    reply = client_for(alice).get(f"/v1/{path.format(**world)}&limit={limit}")

    assert (reply.status_code, reply.json()) == (422, {"detail": f"limit: {expected}"})


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("order=up", "order: expected one of 'asc', 'desc', got 'up'"),
        ("order_by=size", "order_by: expected one of "),
        ("after=%00", "after: Null characters are not allowed."),
    ],
)
@pytest.mark.parametrize("path", LISTS)
def test_other_invalid_parameters_are_422(client_for, alice, world, path, query, expected):
    reply = client_for(alice).get(f"/v1/{path.format(**world)}&{query}")

    assert reply.status_code == 422
    assert reply.json()["detail"].startswith(expected)
