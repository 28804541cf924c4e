"""Two tenants and a burst, against a real server."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta

import httpx
import pytest
from django.db import connection, transaction
from django.utils import timezone

from conversations.domain.conversations.accounts import issue_key
from conversations.domain.runs.leases import claim_run
from conversations.models import Block, Run

from ..factories import make_agent, make_block, make_conversation, make_run
from .processes import post, until, web_server, worker

WEB_THREADS = 4


def get(url: str, secret: str, path: str) -> int:
    headers = {"Authorization": f"Bearer {secret}"}
    return httpx.get(f"{url}/v1/{path}", headers=headers, timeout=30).status_code


def patch(url: str, secret: str, block: Block, value: str) -> int:
    return httpx.patch(
        f"{url}/v1/blocks/{block.pk}",
        json={"value": value},
        headers={"Authorization": f"Bearer {secret}"},
        timeout=60,
    ).status_code


def waiting_for_locks() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return cursor.fetchone()[0]


@pytest.mark.postgres_only
def test_burst_of_one_tenant_leaves_threads_to_another(alice, mallory, model):
    block, victims = make_block(alice, label="human"), issue_key(mallory)[1]
    attackers = issue_key(alice)[1]
    with (
        web_server(model, WEB_THREADS=str(WEB_THREADS)) as (_, url),
        ThreadPoolExecutor(50) as pool,
    ):
        # The server knows both keys from here on.
        assert [get(url, key, "agents/") for key in (attackers, victims)] == [200, 200]
        with transaction.atomic():
            Block.objects.select_for_update().get(pk=block.pk)
            burst = [pool.submit(patch, url, attackers, block, f"text {n}") for n in range(40)]
            until(lambda: waiting_for_locks() >= WEB_THREADS - 1, seconds=9, what="a full burst")

            answers = [get(url, victims, "agents/") for _ in range(10)]

            # None of the burst has ended meanwhile.
            assert (answers, any(each.done() for each in burst)) == ([200] * 10, False)
        assert {each.result() for each in burst} == {200}


@pytest.mark.postgres_only
def test_made_up_keys_share_the_slots_of_their_address(alice, mallory, model):
    block, attackers = make_block(alice, label="human"), issue_key(alice)[1]
    victims = issue_key(mallory)[1]
    with (
        web_server(model, WEB_THREADS=str(WEB_THREADS)) as (_, url),
        ThreadPoolExecutor(60) as pool,
    ):
        assert [get(url, key, "agents/") for key in (attackers, victims)] == [200, 200]
        with transaction.atomic():
            Block.objects.select_for_update().get(pk=block.pk)
            burst = [pool.submit(patch, url, attackers, block, f"text {n}") for n in range(10)]
            until(lambda: waiting_for_locks() >= WEB_THREADS - 1, seconds=9, what="a full burst")
            guesses = [pool.submit(get, url, f"ic-guess-{n}", "agents/") for n in range(40)]

            assert get(url, victims, "agents/") == 200

        assert {each.result() for each in guesses} == {401}
        assert {each.result() for each in burst} == {200}


def waiting_run(member, n: int, **fields):
    return make_run(make_conversation(make_agent(member)), created_at=ago(100 - n), **fields)


def ago(seconds: float):
    return timezone.now() - timedelta(seconds=seconds)


def test_worker_claims_run_of_organization_with_fewest(alice, mallory):
    running = {"status": "running", "worker": "other", "heartbeat_at": timezone.now()}
    waiting_run(alice, 0, **running)
    first, second, third = (waiting_run(alice, n) for n in (1, 2, 3))
    strangers = [waiting_run(mallory, n) for n in (4, 5)]

    claimed = [claim_run("worker").pk for _ in range(5)]

    expected = [strangers[0], first, strangers[1], second, third]
    assert claimed == [run.pk for run in expected]
    assert claim_run("worker") is None


def test_worker_leaves_runs_of_full_organization_to_others(alice, mallory):
    waiting_run(alice, 1)
    strangers = waiting_run(mallory, 2)

    claimed = [claim_run("worker", full=[alice.organization_id]) for _ in range(2)]

    assert [run and run.pk for run in claimed] == [strangers.pk, None]


@pytest.mark.parametrize("runs_in_web", [True, False])
def test_burst_of_turns_leaves_turn_slots_to_another(alice, mallory, model, runs_in_web):
    """One tenant's turns hold all slots that it may have; another one's turn completes."""
    agents = [make_agent(alice) for _ in range(6)]
    attackers, victims = issue_key(alice)[1], issue_key(mallory)[1]
    with ExitStack() as stack:
        variables = {"MAX_TURNS": "4", "RUN_TURNS_IN_WEB": str(runs_in_web)}
        _, url = stack.enter_context(web_server(model, **variables))
        if not runs_in_web:
            stack.enter_context(worker(model, **variables))
        for agent in agents:
            post(url, attackers, f"agents/{agent.pk}/messages/async", {"input": "HOLD"})
        until(lambda: len(model.requests) == 3, seconds=30, what="three turns of the burst")

        path = f"agents/{make_agent(mallory).pk}/messages"
        answer = post(url, victims, path, {"input": "SAY hello"}).json()

        assert (answer["stop_reason"]["stop_reason"], len(model.requests)) == ("end_turn", 4)
        assert Run.objects.filter(agent__in=agents).active().count() == 6
        model.go_on()
        until(lambda: not Run.objects.active().exists(), seconds=30, what="the burst is over")
    assert set(Run.objects.values_list("status", flat=True)) == {"completed"}


def test_shutdown_releases_turns_that_wait_for_a_slot(alice, model):
    agents = [make_agent(alice) for _ in range(2)]
    secret = issue_key(alice)[1]
    with web_server(model, MAX_TURNS="1", SHUTDOWN_GRACE="6") as (_, url):
        for agent in agents:
            post(url, secret, f"agents/{agent.pk}/messages/async", {"input": "HOLD"})
        until(lambda: len(model.requests) == 1, seconds=30, what="one turn")

    # Both wait for another worker now.
    assert list(Run.objects.values_list("status", "worker")) == [("created", "")] * 2
