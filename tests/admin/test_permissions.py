"""Each button needs the permissions that the table in docs/console.md lists."""

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.urls import reverse

from conversations.domain.conversations.conversations import delete_conversation
from conversations.models import Agent, ApiKey, Block, Conversation

from ..factories import actor
from .world import make_world

BUTTONS = [
    *[(Conversation, name, ["change_conversation"]) for name in ("isolate", "restore_label")],
    *[(Conversation, name, ["change_conversation"]) for name in ("undo", "redo", "release")],
    *[(Conversation, name, ["change_conversation"]) for name in ("reset", "rebase")],
    *[(Conversation, name, ["change_conversation"]) for name in ("recompile", "archive")],
    (Conversation, "restore", ["change_conversation"]),
    (Conversation, "promote", ["change_conversation", "change_block"]),
    (Conversation, "fork", ["add_conversation", "view_conversation"]),
    (Conversation, "timeline", ["view_conversation"]),
    (Conversation, "context", ["view_conversation"]),
    *[(Block, name, ["change_block"]) for name in ("undo", "redo", "restore", "preview")],
    (Block, "revisions", ["view_block"]),
    *[(Agent, name, ["change_agent"]) for name in ("attach", "detach", "move")],
    (Agent, "drift", ["view_agent"]),
    (Agent, "bulk", ["change_conversation", "view_agent"]),
    (ApiKey, "rotate", ["add_apikey", "change_apikey"]),
    (ApiKey, "revoke", ["change_apikey"]),
]
every_button = pytest.mark.parametrize(
    ("model", "name", "needed"), BUTTONS, ids=[f"{m.__name__}-{name}" for m, name, _ in BUTTONS]
)


def press(user, row, name, browser_of):
    """Request a button's URL for the rows of the world, by GET if it only shows a page."""
    url = reverse(f"admin:conversations_{row._meta.model_name}_{name}", args=[row.pk])
    url += "?label=human&verb=reset&number=1"
    browser = browser_of(user)
    reply = browser.post(url, {"version": 1})
    return browser.get(url) if reply.status_code == 405 else reply


def row_for(model, name, user):
    row = make_world(user)[model]
    if (model, name) == (Conversation, "restore"):
        delete_conversation(row, by=actor(user))
    return row


def test_every_row_view_is_listed():
    registered = {
        (model, name)
        for model, model_admin in admin.site._registry.items()
        for name in getattr(model_admin, "row_views", ())
    }

    assert {(model, name) for model, name, _ in BUTTONS} == registered


@every_button
def test_listed_permissions_are_sufficient(model, name, needed, alice, browser_of):
    row = row_for(model, name, alice)
    alice.user.user_permissions.set(Permission.objects.filter(codename__in=needed))

    assert press(alice, row, name, browser_of).status_code in (200, 302)


@every_button
def test_each_listed_permission_is_necessary(model, name, needed, alice, browser_of):
    row = row_for(model, name, alice)
    for codename in needed:
        # The permission to change includes the permission to view.
        missing = {codename, codename.replace("view_", "change_")}
        alice.user.user_permissions.set(Permission.objects.exclude(codename__in=missing))

        assert press(alice, row, name, browser_of).status_code == 403, codename


@every_button
def test_stranger_cannot_use_row_views(model, name, needed, alice, mallory, browser_of):
    row = row_for(model, name, alice)

    reply = press(mallory, row, name, browser_of)

    assert (reply.status_code, reply.url) == (302, reverse("admin:index"))
