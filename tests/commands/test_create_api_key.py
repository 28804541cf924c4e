from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from conversations.models import ApiKey, Member, Organization

from ..factories import make_member


def create_api_key(*arguments: str) -> None:
    call_command("create_api_key", *arguments)


def test_create_api_key_prints_only_the_secret(alice, capsys):
    create_api_key("--organization", "Acme", "--member", "alice", "--scope", "read")

    out, err = capsys.readouterr()
    key = ApiKey.objects.get()
    assert out.endswith("\n")
    assert ApiKey.digest_of(out[:-1]) == key.digest
    assert out.startswith(key.prefix)
    assert (key.member, key.organization, key.scope) == (alice, alice.organization, "read")
    assert key.name == ""
    assert timedelta(days=364) < key.expires_at - timezone.now() <= timedelta(days=365)
    assert err == ""


def test_key_without_expiry_is_asked_for(alice):
    create_api_key("--organization", "Acme", "--member", "alice", "--no-expiry")

    assert ApiKey.objects.get().expires_at is None


def test_key_has_name_and_expiry(alice):
    before = timezone.now()

    create_api_key(
        *("--organization", "Acme", "--member", "alice", "--scope", "admin"),
        *("--name", "nightly export", "--expires-in-days", "30"),
    )

    key = ApiKey.objects.get()
    assert (key.name, key.scope) == ("nightly export", "admin")
    assert timedelta(days=30) <= key.expires_at - before < timedelta(days=30, minutes=1)


def test_create_adds_organization_and_member_once(db):
    for _ in range(2):
        create_api_key("--organization", "New", "--member", "carol", "--scope", "write", "--create")

    member = Member.objects.get()
    assert (member.name, member.organization.name, member.user) == ("carol", "New", None)
    assert member.api_keys.count() == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--organization", "Acmee", "--member", "alice", "--scope", "read"],
            "No organization is called 'Acmee'; --create creates it.",
        ),
        (
            ["--organization", "Acme", "--member", "alise", "--scope", "read"],
            "'Acme' has no member called 'alise'; --create creates it.",
        ),
        (
            ["--organization", "Acme", "--member", "mallory", "--scope", "read"],
            "'Acme' has no member called 'mallory'",
        ),
        (
            ["--organization", "Acme", "--member", "m" * 151, "--scope", "read", "--create"],
            "at most 150 characters",
        ),
        (
            ["--organization", "A" * 201, "--member", "alice", "--scope", "read", "--create"],
            "at most 200 characters",
        ),
        (
            ["--organization", "Acme", "--member", "alice", "--scope", "root"],
            "invalid choice: 'root'",
        ),
        (
            [
                *("--organization", "Acme", "--member", "alice", "--scope", "read"),
                *("--expires-in-days", "0"),
            ],
            "expected a whole number of days from 1 to 36500, got '0'",
        ),
    ],
)
def test_wrong_argument_creates_nothing(alice, mallory, arguments, message):
    with pytest.raises(CommandError, match=message):
        create_api_key(*arguments)

    assert not ApiKey.objects.exists()
    assert Member.objects.count() == 2
    assert Organization.objects.count() == 2


def test_name_in_another_organization_is_another_member(alice, mallory):
    create_api_key("--organization", "Acme", "--member", "mallory", "--scope", "read", "--create")

    assert ApiKey.objects.get().member.organization == alice.organization
    assert not mallory.api_keys.exists()


def test_key_of_another_member_is_left_alone(alice):
    make_member(alice.organization, "bob")

    create_api_key("--organization", "Acme", "--member", "bob", "--scope", "read")

    assert not alice.api_keys.exists()
