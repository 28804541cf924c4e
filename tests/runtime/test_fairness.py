"""Two tenants and a burst, against a real server."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from django.db import connection, transaction

from conversations.domain.conversations.accounts import issue_key
from conversations.models import Block

from ..factories import make_block
from .processes import until, web_server

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
