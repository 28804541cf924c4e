import re

import pytest
from django.core.cache import cache

from ..factories import make_agent, make_block, make_conversation, make_run

ORGANIZATION, KEY = "requests_per_minute", "key_requests_per_minute"


@pytest.fixture
def counting(settings):
    """Count requests, in a cache of this test's own."""
    name = "django.core.cache.backends.locmem.LocMemCache"
    settings.CACHES = {"default": {"BACKEND": name, "LOCATION": "rates"}}
    yield
    cache.clear()


@pytest.fixture
def limit(alice):
    def set_quotas(**quotas):
        for name, value in quotas.items():
            setattr(alice.organization, name, value)
        alice.organization.save()

    return set_quotas


def rates(answer) -> dict[str, tuple[int, int]]:
    """Return limit and rest of each policy in the headers."""
    limits = dict(re.findall(r'"(\w+)";q=(\d+);w=60', answer["RateLimit-Policy"]))
    rests = dict(re.findall(r'"(\w+)";r=(\d+);t=\d+', answer["RateLimit"]))
    return {name: (int(limits[name]), int(rests[name])) for name in limits}


def test_every_response_tells_rates(alice, client_for, limit, counting):
    limit(requests_per_minute=10, key_requests_per_minute=5)
    client = client_for(alice)

    answers = [client.get("/v1/agents/"), client.get("/v1/nothing"), client.post("/v1/agents/", {})]

    assert [rates(answer) for answer in answers] == [
        {"key": (5, 4), "organization": (10, 9)},
        {"key": (5, 3), "organization": (10, 8)},
        {"key": (5, 2), "organization": (10, 7)},
    ]


def test_requests_beyond_rate_of_key_are_refused(alice, bob, client_for, limit, counting):
    limit(key_requests_per_minute=2)
    client, other = client_for(alice), client_for(bob)

    answers = [client.get("/v1/agents/") for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert 0 < int(answers[2]["Retry-After"]) <= 60
    assert rates(answers[2])["key"] == (2, 0)
    assert (
        answers[2].json()["detail"].startswith("The maximum is 2 requests per minute of each key")
    )
    assert other.get("/v1/agents/").status_code == 200


def test_keys_of_organization_share_its_rate(alice, bob, mallory, client_for, limit, counting):
    limit(requests_per_minute=2)

    statuses = [client_for(each).get("/v1/agents/").status_code for each in (alice, bob, alice)]

    assert statuses == [200, 200, 429]
    assert client_for(mallory).get("/v1/agents/").status_code == 200


def test_probes_are_not_counted(client, counting):
    answer = client.get("/v1/health/")

    assert (answer.status_code, answer.has_header("RateLimit")) == (200, False)


def test_rates_cost_no_query(alice, client_for, counting, django_assert_num_queries):
    client = client_for(alice)
    client.get("/v1/models/")

    with django_assert_num_queries(1):  # The key, with its member and its organization.
        client.get("/v1/models/")


def test_cache_that_stores_nothing_refuses_nothing(alice, client_for, limit):
    limit(key_requests_per_minute=1)
    client = client_for(alice)

    assert [client.get("/v1/agents/").status_code for _ in range(3)] == [200] * 3


def test_storage_beyond_quota_is_429_without_retries(alice, client_for, limit):
    agent, client = make_agent(alice), client_for(alice)
    limit(max_conversations=1)

    answer = client.post(f"/v1/conversations/?agent_id={agent.pk}", {})

    assert answer.status_code == 429
    assert answer.json() == {
        "detail": "The organization's maximum is 1 conversations; it has 1 now",
        "quota": "max_conversations",
        "limit": 1,
        "used": 1,
    }
    assert (int(answer["Retry-After"]) > 0, answer["X-Should-Retry"]) == (True, "false")


def test_turn_beyond_quota_is_429_that_clients_retry(alice, client_for, limit):
    make_run(make_conversation(make_agent(alice)), status="running")
    limit(concurrent_turns=1)

    answer = client_for(alice).post(f"/v1/agents/{make_agent(alice).pk}/messages", {"input": "hi"})

    assert (answer.status_code, answer.json()["quota"]) == (429, "concurrent_turns")
    assert (int(answer["Retry-After"]) > 0, answer.has_header("X-Should-Retry")) == (True, False)


def test_quotas_show_limits_and_use(alice, client_for, limit):
    make_block(alice, value="12345")
    make_conversation(make_agent(alice))
    limit(max_conversations=4)

    quotas = client_for(alice, scope="read").get("/v1/quotas/").json()

    assert quotas["max_conversations"] == {"limit": 4, "is_default": False, "used": 2}
    assert quotas["max_memory_characters"]["used"] == 5
    assert quotas["requests_per_minute"] == {"limit": 24_000, "is_default": True, "used": None}
    assert quotas["conversation_retention_days"] is None


def test_admin_key_changes_quotas(alice, client_for):
    client = client_for(alice, scope="admin")

    changed = client.patch("/v1/quotas/", {KEY: 10, "conversation_retention_days": 30}).json()
    restored = client.patch("/v1/quotas/", {KEY: None}).json()

    assert changed[KEY] == {"limit": 10, "is_default": False, "used": None}
    assert (restored[KEY]["is_default"], restored["conversation_retention_days"]) == (True, 30)
    assert client_for(alice).patch("/v1/quotas/", {KEY: 1}).status_code == 403
    assert client.patch("/v1/quotas/", {KEY: 0}).status_code == 422
