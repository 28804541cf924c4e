import re

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client

from conversations.domain.conversations.accounts import issue_key
from conversations.models import ApiKey, Organization, User

from .pages import add_url, change_url, list_url, messages_of


def test_the_secret_of_a_new_key_is_shown_once(alice, bob, browser_of):
    browser = browser_of(alice)

    listed = browser.post(
        add_url(ApiKey), {"user": bob.pk, "name": "ci", "scope": "read"}, follow=True
    )

    key = ApiKey.objects.get()
    [secret] = re.findall(rf"{key.prefix}-[\w-]+", messages_of(listed)[0])
    assert ApiKey.digest_of(secret) == key.digest
    assert (key.user, key.scope, key.created_by) == (bob, "read", alice)
    for page in (browser.get(list_url(ApiKey)), browser.get(change_url(key))):
        assert secret not in page.content.decode()
        assert key.digest not in page.content.decode()


def test_a_key_is_revoked_and_never_edited(alice, browser_of):
    key, _ = issue_key(alice)
    browser = browser_of(alice)

    edited = browser.post(change_url(key), {"scope": "admin"})
    browser.post(change_url(key).replace("/change/", "/revoke/"))
    again = browser.post(change_url(key).replace("/change/", "/revoke/"))

    key.refresh_from_db()
    assert again.status_code == 403
    assert edited.status_code == 403
    assert key.scope == "write"
    assert key.revoked_at is not None
    assert key.last_updated_by == alice


@pytest.mark.parametrize("name", ["alice", "boss"])
def test_nobody_gets_the_key_of_a_stranger_or_of_a_superuser(name, alice, mallory, browser_of):
    User.objects.create_superuser("boss", organization=mallory.organization)
    user = User.objects.get(username=name)

    response = browser_of(mallory).post(add_url(ApiKey), {"user": user.pk, "scope": "admin"})

    assert "user" in response.context["adminform"].form.errors
    assert not ApiKey.objects.exists()


def test_a_user_of_no_organization_gets_no_key(root, browser_of):
    response = browser_of(root).post(add_url(ApiKey), {"user": root.pk, "scope": "read"})

    [error] = response.context["adminform"].form.non_field_errors()
    assert "belongs to no organization" in error


def test_a_stranger_revokes_nothing(alice, mallory, browser_of):
    key, _ = issue_key(alice)

    data = {"action": "revoke_selected", "_selected_action": key.pk, "confirmed": "Yes"}
    browser_of(mallory).post(list_url(ApiKey), data)
    browser_of(mallory).post(change_url(key).replace("/change/", "/revoke/"))

    key.refresh_from_db()
    assert key.revoked_at is None


def test_staff_give_nobody_more_rights(alice, bob, browser_of):
    group = Group.objects.create(name="operators")
    browser = browser_of(alice)
    group_url = f"/admin/auth/group/{group.pk}/change/"

    replies = [
        browser.post(add_url(User), {"username": "eve", "is_superuser": "on"}),
        browser.post(change_url(alice), {"username": "alice", "is_superuser": "on"}),
        browser.post(change_url(bob).replace("/change/", "/password/"), {"password1": "x"}),
        browser.post(change_url(bob).replace("/change/", "/delete/"), {"post": "yes"}),
        browser.post(group_url, {"permissions": [Permission.objects.first().pk]}),
        browser.post(add_url(Organization), {"name": "Mine"}),
        browser.post(change_url(alice.organization), {"name": "Mine"}),
    ]

    assert [reply.status_code for reply in replies] == [403] * len(replies)
    assert User.objects.filter(is_superuser=True).count() == 0
    page = browser.get(change_url(bob)).content.decode()
    assert "bob" in page
    assert "permissions" not in page.split('id="user_form"')[1]


def test_a_superuser_adds_an_organization_and_a_user_who_can_log_in(root, browser_of):
    browser = browser_of(root)

    browser.post(add_url(Organization), {"name": "Acme"})
    organization = Organization.objects.get()
    twice = browser.post(add_url(Organization), {"name": "Acme"})
    browser.post(
        add_url(User),
        {
            "username": "eve",
            "organization": organization.pk,
            "usable_password": "true",
            "password1": "correct horse",
            "password2": "correct horse",
        },
    )

    assert "name" in str(twice.context["adminform"].form.errors)
    assert User.objects.get(username="eve").organization == organization
    assert Client().login(username="eve", password="correct horse")


def test_a_user_without_organization_is_an_error_and_not_a_crash(root, browser_of):
    response = browser_of(root).post(
        add_url(User),
        {
            "username": "eve",
            "usable_password": "true",
            "password1": "correct horse",
            "password2": "correct horse",
        },
    )

    assert "needs an organization" in str(response.context["adminform"].form.errors)
