"""Authentication by API key."""

from datetime import timedelta

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from conversations.domain.conversations.accounts import issue_key, revoke_key
from conversations.models import ApiKey

UNAUTHORIZED = {"detail": "Unauthorized"}


def get_agents(authorization: str | None):
    client = APIClient(raise_request_exception=False)
    if authorization is not None:
        client.credentials(HTTP_AUTHORIZATION=authorization)
    return client.get("/v1/agents/")


def test_every_path_without_key_is_401(db):
    client = APIClient(raise_request_exception=False)

    replies = [client.get(path) for path in ("/v1/agents/", "/v1/nowhere", "/v1/agents", "/v1/")]

    assert [(reply.status_code, reply.json()) for reply in replies] == [(401, UNAUTHORIZED)] * 4
    assert [reply["WWW-Authenticate"] for reply in replies] == ["Bearer"] * 4


@pytest.mark.parametrize("path", ["health/", "health", "ready/", "ready"])
def test_probes_need_no_key(db, path):
    reply = APIClient().get(f"/v1/{path}")

    assert (reply.status_code, reply.json()["status"]) == (200, "ok")


def test_bearer_scheme_ignores_case(alice):
    _, secret = issue_key(alice)

    replies = [get_agents(f"{word} {secret}") for word in ("Bearer", "bearer", "BEARER")]

    assert [reply.status_code for reply in replies] == [200, 200, 200]


@pytest.mark.parametrize(
    "damage",
    [
        lambda secret: "",
        lambda secret: secret,
        lambda secret: f"Basic {secret}",
        lambda secret: f"Bearer {secret[:-1]}",
        lambda secret: f"Bearer {secret[:-1]}{'a' if secret[-1] != 'a' else 'b'}",
        lambda secret: f"Bearer {secret}é",
        lambda secret: f"Bearer {secret} {secret}",
        lambda secret: f"Bearer ic-{'0' * 12}-{'a' * 43}",
    ],
    ids=["empty", "no-scheme", "basic", "short", "altered", "not-ascii", "twice", "unknown"],
)
def test_damaged_secret_is_401(alice, damage):
    _, secret = issue_key(alice)

    reply = get_agents(damage(secret))

    assert (reply.status_code, reply.json()) == (401, UNAUTHORIZED)


def test_parts_of_two_keys_are_401(alice, mallory):
    _, first = issue_key(alice)
    _, second = issue_key(mallory)

    reply = get_agents(f"Bearer {first[:16]}{second[16:]}")

    assert reply.status_code == 401


def test_expired_key_is_401(client_for, alice):
    client = client_for(alice, expires_at=timezone.now() + timedelta(seconds=60))
    assert client.get("/v1/agents/").status_code == 200

    ApiKey.objects.update(expires_at=timezone.now() - timedelta(seconds=1))

    assert client.get("/v1/agents/").status_code == 401


def test_revoked_key_is_401(client_for, alice):
    client = client_for(alice)
    assert client.get("/v1/agents/").status_code == 200

    revoke_key(ApiKey.objects.get())

    assert client.get("/v1/agents/").status_code == 401


def test_key_of_inactive_django_user_is_unauthorized(client_for, alice):
    client = client_for(alice)
    alice.user.is_active = False
    alice.user.save()

    assert client.get("/v1/blocks/").status_code == 401


def test_key_of_inactive_member_is_unauthorized(client_for, alice):
    client = client_for(alice)
    alice.is_active = False
    alice.save()

    assert client.get("/v1/agents/").status_code == 401


def test_user_header_may_name_member_of_key(client_for, alice):
    reply = client_for(alice).get("/v1/agents/", HTTP_USER_ID=alice.pk)

    assert reply.status_code == 200


@pytest.mark.parametrize("claimed", ["bob", "nobody", "malformed", "empty"])
def test_user_header_naming_another_member_is_403(client_for, alice, bob, claimed):
    """V1 accepted any well-formed id and treated an unknown one as the default user."""
    header = {
        "bob": bob.pk,
        "nobody": "user-00000000-0000-4000-8000-000000000000",
        "malformed": "root",
        "empty": "",
    }[claimed]

    reply = client_for(alice).get("/v1/agents/", HTTP_USER_ID=header)

    assert reply.status_code == 403
    assert reply.json() == {
        "detail": f"The header user_id names {header!r}, but this key belongs to {alice.pk!r}"
    }


def test_created_rows_record_the_caller(client_for, alice, bob):
    block = client_for(alice).post("/v1/blocks/", {"label": "human"}).json()

    changed = client_for(bob).patch(f"/v1/blocks/{block['id']}", {"value": "changed"}).json()

    assert (changed["created_by_id"], changed["last_updated_by_id"]) == (alice.pk, bob.pk)


def test_last_use_of_key_is_stored_to_the_minute(client_for, alice):
    client = client_for(alice)
    client.get("/v1/agents/")
    first = ApiKey.objects.get().last_used_at

    client.get("/v1/agents/")

    assert first is not None
    assert ApiKey.objects.get().last_used_at == first
    ApiKey.objects.update(last_used_at=first - timedelta(minutes=2))
    client.get("/v1/agents/")
    assert ApiKey.objects.get().last_used_at > first
