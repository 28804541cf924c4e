from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from conversations.domain.conversations.accounts import issue_key
from conversations.ids import new_id
from conversations.models import ApiKey, AuditEvent


def run(*words: str) -> tuple[list[str], str]:
    out, err = StringIO(), StringIO()
    call_command("api_key", *words, stdout=out, stderr=err)
    return out.getvalue().splitlines(), err.getvalue()


def test_list_prints_one_line_per_key(alice, mallory):
    issue_key(mallory)
    first, _ = issue_key(alice, name="ci", scope="read", expires_at=None)
    second, _ = issue_key(alice)

    lines, _ = run("list", "--organization", "Acme")

    [newer, older] = [line.split("\t") for line in lines]
    assert (newer[0], older[0]) == (second.pk, first.pk)
    assert older[1:] == [first.prefix, "read", "active", "never expires", "alice", "ci"]


def test_rotate_prints_only_the_new_secret(alice):
    key, _ = issue_key(alice)

    [secret], remark = run("rotate", key.pk, "--overlap-hours", "2")

    successor = ApiKey.objects.get(replaces=key)
    assert ApiKey.digest_of(secret) == successor.digest
    assert successor.pk in remark
    key.refresh_from_db()
    assert key.is_usable


def test_revoke_rejects_the_key_from_now_on(alice):
    key, _ = issue_key(alice)

    run("revoke", key.pk)

    key.refresh_from_db()
    assert key.revoked_at <= timezone.now()
    event = AuditEvent.objects.latest("created_at")
    assert (event.action, event.source, event.object_id) == ("api_key.revoked", "command", key.pk)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["rotate", new_id("key")], "No API key has the id"),
        (["revoke", "key"], "Expected an id like key-<uuid>"),
        (["list", "--organization", "Nowhere"], "No organization is called"),
    ],
)
def test_unknown_key_or_organization_is_named(db, words, says):
    with pytest.raises(CommandError, match=says):
        run(*words)
