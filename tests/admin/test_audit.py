"""The audit log in the console, and what superusers and exports leave in it."""

import csv
import io
import json

import pytest

from conversations.domain.conversations.accounts import issue_key
from conversations.models import Agent, ApiKey, AuditEvent, Block

from ..factories import make_agent, make_conversation
from .pages import add_url, change_url, list_url


def events(*actions: str) -> list[tuple[str, str, str]]:
    rows = AuditEvent.objects.filter(action__in=actions).order_by("created_at")
    return [(row.action, row.actor, row.object_id) for row in rows]


@pytest.fixture
def key(alice) -> ApiKey:
    return issue_key(alice)[0]


def test_staff_see_events_of_their_organization(alice, mallory, key, browser_of):
    issue_key(mallory)

    listed = browser_of(alice).get(list_url(AuditEvent)).context["cl"].result_list
    filtered = browser_of(alice).get(f"{list_url(AuditEvent)}?action=api_key.created")

    assert {event.organization for event in listed} == {alice.organization}
    assert [event.object_id for event in filtered.context["cl"].result_list] == [key.pk]


def test_events_are_found_by_request_and_object(alice, key, browser_of):
    found = browser_of(alice).get(f"{list_url(AuditEvent)}?q={key.pk}").context["cl"].result_list

    assert [event.action for event in found] == ["api_key.created"]


@pytest.mark.parametrize("url", ["change", "delete", "add"])
def test_nobody_writes_to_the_log(root, alice, key, browser_of, url):
    event = AuditEvent.objects.latest("created_at")
    urls = {
        "change": change_url(event),
        "delete": change_url(event).replace("/change/", "/delete/"),
        "add": add_url(AuditEvent),
    }

    reply = browser_of(root).post(urls[url], {"actor": "nobody", "post": "yes"})

    assert reply.status_code == 403
    assert AuditEvent.objects.get(pk=event.pk).actor == event.actor


def export(browser, action: str) -> str:
    ids = list(AuditEvent.objects.filter(action="api_key.created").values_list("pk", flat=True))
    data = {"action": action, "_selected_action": ids}
    return b"".join(browser.post(list_url(AuditEvent), data).streaming_content).decode()


def test_log_is_exported_as_csv_and_json_lines(alice, key, browser_of):
    browser = browser_of(alice)

    rows = list(csv.DictReader(io.StringIO(export(browser, "export_as_csv"))))
    objects = [json.loads(line) for line in export(browser, "export_as_json_lines").splitlines()]

    assert [row["object id"] for row in rows] == [key.pk]
    assert [each["object_id"] for each in objects] == [key.pk]
    assert objects[0]["details"]["prefix"] == key.prefix


def test_csv_export_is_recorded(alice, browser_of):
    agent = make_agent(alice)

    data = {"action": "export_as_csv", "_selected_action": [agent.pk]}
    browser_of(alice).post(list_url(Agent), data)

    event = AuditEvent.objects.get(action="data.exported")
    assert (event.actor, event.organization) == ("alice", alice.organization)
    assert event.details == {"table": "agent", "rows": 1}


def test_superuser_in_another_organization_is_recorded(root, alice, browser_of):
    agent = make_agent(alice, labels=["human"])
    conversation = make_conversation(agent)
    key, _ = issue_key(alice)
    block = agent.blocks.get()
    browser = browser_of(root)

    browser.post(change_url(key).replace("/change/", "/revoke/"))
    browser.post(f"{change_url(conversation).replace('/change/', '/isolate/')}?label=human")
    browser.post(change_url(block), {"label": "human", "value": "v", "limit": 9, "version": 1})
    browser.post(change_url(agent).replace("/change/", "/delete/"), {"post": "yes"})

    acts = AuditEvent.objects.filter(action="superuser.acted").order_by("created_at")
    assert [(each.object_id, each.details["act"]) for each in acts] == [
        (key.pk, "revoke"),
        (conversation.pk, "isolate"),
        (block.pk, "change"),
        (agent.pk, "delete"),
    ]
    assert {each.actor for each in acts} == {"root"}
    assert {each.organization for each in acts} == {alice.organization}
    assert Block.objects.get(pk=block.pk).value == "v"


def test_staff_and_superuser_at_home_are_not_impersonating(alice, bob, browser_of):
    bob.user.is_superuser = True
    bob.user.save()
    for member in (alice, bob):
        key, _ = issue_key(alice)
        browser_of(member).post(change_url(key).replace("/change/", "/revoke/"))

    assert events("superuser.acted") == []
    assert [actor for _, actor, _ in events("api_key.revoked")] == ["alice", "bob"]


def test_rotated_key_is_shown_once(alice, key, browser_of):
    page = browser_of(alice).post(change_url(key).replace("/change/", "/rotate/"), follow=True)

    successor = ApiKey.objects.get(replaces=key)
    assert f"{successor.prefix}-" in page.content.decode()
    assert page.redirect_chain[-1][0] == change_url(successor)
    again = browser_of(alice).post(change_url(key).replace("/change/", "/rotate/"))
    assert again.status_code == 403
    assert events("api_key.rotated") == [("api_key.rotated", "alice", key.pk)]
