from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from conversations.models import ApiKey, Organization, User

from ..factories import make_user


def create_api_key(*arguments: str) -> None:
    call_command("create_api_key", *arguments)


def test_the_key_is_all_of_standard_output_and_works(alice, capsys):
    create_api_key("--organization", "Acme", "--username", "alice", "--scope", "read")

    out, err = capsys.readouterr()
    key = ApiKey.objects.get()
    assert out.endswith("\n")
    assert ApiKey.digest_of(out[:-1]) == key.digest
    assert out.startswith(key.prefix)
    assert (key.user, key.organization, key.scope) == (alice, alice.organization, "read")
    assert (key.name, key.expires_at) == ("", None)
    assert err == ""


def test_a_key_may_have_a_label_and_an_end(alice):
    before = timezone.now()

    create_api_key(
        *("--organization", "Acme", "--username", "alice", "--scope", "admin"),
        *("--name", "nightly export", "--expires-in-days", "30"),
    )

    key = ApiKey.objects.get()
    assert (key.name, key.scope) == ("nightly export", "admin")
    assert timedelta(days=30) <= key.expires_at - before < timedelta(days=30, minutes=1)


def test_create_makes_the_organization_and_the_user_once(db):
    for _ in range(2):
        create_api_key(
            "--organization", "New", "--username", "carol", "--scope", "write", "--create"
        )

    user = User.objects.get()
    assert (user.username, user.organization.name) == ("carol", "New")
    assert not user.has_usable_password()
    assert user.api_keys.count() == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--organization", "Acmee", "--username", "alice", "--scope", "read"],
            "No organization is called 'Acmee'; --create makes it.",
        ),
        (
            ["--organization", "Acme", "--username", "alise", "--scope", "read"],
            "No user is called 'alise'; --create makes one.",
        ),
        (
            ["--organization", "Acme", "--username", "mallory", "--scope", "read", "--create"],
            "User 'mallory' belongs to 'Elsewhere', not to 'Acme'",
        ),
        (
            ["--organization", "New", "--username", "alice", "--scope", "read", "--create"],
            "User 'alice' belongs to 'Acme', not to 'New'",
        ),
        (
            ["--organization", "Acme", "--username", "root", "--scope", "read"],
            "User 'root' belongs to no organization, not to 'Acme'",
        ),
        (
            ["--organization", "Acme", "--username", "a b", "--scope", "read", "--create"],
            "Enter a valid username",
        ),
        (
            ["--organization", "A" * 201, "--username", "alice", "--scope", "read", "--create"],
            "at most 200 characters",
        ),
        (
            ["--organization", "Acme", "--username", "alice", "--scope", "root"],
            "invalid choice: 'root'",
        ),
        (
            [
                *("--organization", "Acme", "--username", "alice", "--scope", "read"),
                *("--expires-in-days", "0"),
            ],
            "expected a whole number of days from 1 to 36500, got '0'",
        ),
    ],
)
def test_a_wrong_wish_is_explained_and_leaves_nothing_behind(alice, mallory, arguments, message):
    User.objects.create_superuser("root")

    with pytest.raises(CommandError, match=message):
        create_api_key(*arguments)

    assert not ApiKey.objects.exists()
    assert User.objects.count() == 3
    assert Organization.objects.count() == 2


def test_another_users_key_is_left_alone(alice):
    make_user(alice.organization, "bob")

    create_api_key("--organization", "Acme", "--username", "bob", "--scope", "read")

    assert not alice.api_keys.exists()
