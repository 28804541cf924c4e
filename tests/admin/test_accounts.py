import re

import pytest
from django.contrib.auth.models import Group, Permission, User

from conversations.domain.conversations.accounts import issue_key
from conversations.models import Agent, ApiKey, Member, Organization

from ..factories import actor, link_user, make_member
from .pages import add_url, change_url, list_url, messages_of


def test_secret_of_new_key_is_shown_once(alice, bob, browser_of):
    browser = browser_of(alice)

    listed = browser.post(
        add_url(ApiKey), {"member": bob.pk, "name": "ci", "scope": "read"}, follow=True
    )

    key = ApiKey.objects.get()
    [secret] = re.findall(rf"{key.prefix}-[\w-]+", messages_of(listed)[0])
    assert ApiKey.digest_of(secret) == key.digest
    assert (key.member, key.scope, key.created_by) == (bob, "read", alice)
    for page in (browser.get(list_url(ApiKey)), browser.get(change_url(key))):
        assert secret not in page.content.decode()
        assert key.digest not in page.content.decode()


def test_key_is_revoked_and_never_edited(alice, browser_of):
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


@pytest.mark.parametrize("lookup", ["digest", "digest__startswith", "member__api_keys__digest__gt"])
def test_keys_cannot_be_filtered_by_digest(alice, browser_of, lookup):
    issue_key(alice)

    assert browser_of(alice).get(f"{list_url(ApiKey)}?{lookup}=a").status_code == 400


@pytest.mark.parametrize("name", ["alice", "boss"])
def test_staff_cannot_create_key_of_stranger_or_superuser(name, alice, mallory, browser_of):
    link_user(make_member(mallory.organization, "boss"), is_superuser=True)
    member = Member.objects.get(name=name)

    response = browser_of(mallory).post(add_url(ApiKey), {"member": member.pk, "scope": "admin"})

    assert "member" in response.context["adminform"].form.errors
    assert not ApiKey.objects.exists()


def test_member_without_organization_gets_no_key(root, browser_of):
    member = Member.objects.create(name="root", user=root)
    response = browser_of(root).post(add_url(ApiKey), {"member": member.pk, "scope": "read"})

    [error] = response.context["adminform"].form.non_field_errors()
    assert "belongs to no organization" in error


def test_stranger_cannot_revoke_key(alice, mallory, browser_of):
    key, _ = issue_key(alice)

    data = {"action": "revoke_selected", "_selected_action": key.pk, "confirmed": "Yes"}
    browser_of(mallory).post(list_url(ApiKey), data)
    browser_of(mallory).post(change_url(key).replace("/change/", "/revoke/"))

    key.refresh_from_db()
    assert key.revoked_at is None


def test_staff_cannot_grant_permissions(alice, bob, browser_of):
    group = Group.objects.create(name="operators")
    browser = browser_of(alice)
    group_url = f"/admin/auth/group/{group.pk}/change/"
    users = "/admin/auth/user/"

    replies = [
        browser.get(users),
        browser.post(f"{users}add/", {"username": "eve", "is_superuser": "on"}),
        browser.post(f"{users}{alice.user.pk}/change/", {"is_superuser": "on"}),
        browser.post(f"{users}{bob.user.pk}/password/", {"password1": "x"}),
        browser.post(f"{users}{bob.user.pk}/delete/", {"post": "yes"}),
        browser.post(group_url, {"permissions": [Permission.objects.first().pk]}),
        browser.post(add_url(Member), {"name": "eve"}),
        browser.post(change_url(bob), {"name": "bob", "user": alice.user.pk}),
        browser.post(change_url(bob).replace("/change/", "/delete/"), {"post": "yes"}),
        browser.post(add_url(Organization), {"name": "Mine"}),
        browser.post(change_url(alice.organization), {"name": "Mine"}),
    ]

    assert [reply.status_code for reply in replies] == [403] * len(replies)
    assert User.objects.filter(is_superuser=True).count() == 0
    assert "bob" in browser.get(change_url(bob)).content.decode()


def test_superuser_adds_organization_user_and_member(root, browser_of):
    browser = browser_of(root)

    browser.post(add_url(Organization), {"name": "Acme"})
    organization = Organization.objects.get()
    twice = browser.post(add_url(Organization), {"name": "Acme"})
    passwords = {"password1": "correct horse", "password2": "correct horse"}
    browser.post(
        "/admin/auth/user/add/", {"username": "eve", "usable_password": "true"} | passwords
    )
    eve = User.objects.get(username="eve")
    member = {"organization": organization.pk, "name": "Eve", "user": eve.pk, "is_active": "on"}
    browser.post(add_url(Member), member)

    assert "name" in str(twice.context["adminform"].form.errors)
    assert eve.member.organization == organization
    assert eve.check_password("correct horse")


@pytest.mark.parametrize(
    ("fields", "error"),
    [({}, "needs an organization"), ({"name": "alice", "organization": "Acme"}, "already exists")],
)
def test_wrong_member_is_a_form_error(root, alice, browser_of, fields, error):
    data = {"name": "eve"} | fields
    if "organization" in data:
        data["organization"] = alice.organization.pk

    response = browser_of(root).post(add_url(Member), data)

    assert error in str(response.context["adminform"].form.errors)


def test_superuser_links_member_to_user(root, alice, browser_of):
    program = make_member(alice.organization, "program")
    user = User.objects.create_user("eve", is_staff=True)

    data = {"name": "program", "user": user.pk, "is_active": "on"}
    browser_of(root).post(change_url(program), data)

    assert user.member == program


def test_first_write_of_superuser_creates_member(root, alice, browser_of):
    browser = browser_of(root)
    key, _ = issue_key(alice)
    browser.get(change_url(key))
    assert Member.objects.filter(user=root).count() == 0

    browser.post(change_url(key).replace("/change/", "/revoke/"))

    key.refresh_from_db()
    assert (key.last_updated_by.user, key.last_updated_by.organization) == (root, None)


@pytest.mark.parametrize("state", ["without member", "inactive member", "no organization"])
def test_staff_without_organization_see_and_add_nothing(alice, mallory, browser_of, state):
    issue_key(alice)
    issue_key(mallory)
    user = mallory.user
    if state == "without member":
        Member.objects.filter(pk=mallory.pk).update(user=None)
    elif state == "inactive member":
        Member.objects.filter(pk=mallory.pk).update(is_active=False)
    else:
        Member.objects.filter(pk=mallory.pk).update(user=None)
        Member.objects.create(name="mallory", user=user)
    browser = browser_of(user)

    assert list(browser.get(list_url(ApiKey)).context["cl"].result_list) == []
    assert browser.get(add_url(Agent)).status_code == 403


def test_deleted_user_leaves_member_with_its_work(alice, root):
    key, _ = issue_key(alice, by=actor(alice))
    Member.objects.create(name="root", user=root)

    alice.user.delete()
    root.delete()

    alice.refresh_from_db()
    key.refresh_from_db()
    assert (alice.user, key.created_by) == (None, alice)
    assert Member.objects.filter(name="root").count() == 0


def test_superuser_changes_quotas_of_organization(root, browser_of, alice):
    browser = browser_of(root)
    fields = {"name": "Acme", "max_conversations": "5", "conversation_retention_days": "30"}

    refused = browser.post(change_url(alice.organization), {**fields, "max_conversations": "0"})
    browser.post(change_url(alice.organization), fields)

    assert "max_conversations" in refused.context["adminform"].form.errors
    alice.organization.refresh_from_db()
    assert alice.organization.max_conversations == 5
    assert alice.organization.conversation_retention_days == 30
    assert alice.organization.concurrent_turns is None
