"""Routes of V1 that are not served, and names that are no ids."""

import pytest

from ..factories import make_agent, make_conversation, make_messages, make_run

pytestmark = pytest.mark.django_db
AGENT = "agent-00000000-0000-4000-8000-000000000000"


@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete"])
@pytest.mark.parametrize(
    "path",
    [
        "groups/",
        "groups",
        "groups/group-1/messages",
        f"agents/{AGENT}/groups",
        f"agents/{AGENT}/schedule",
        f"agents/{AGENT}/schedule/x",
        "messages/batches",
        "messages/batches/batch-1/messages",
        "templates",
        "templates/a/b",
        "client-side-access-tokens",
        "environments/x/messages",
        "sandbox-config/",
        "telemetry/step-1",
        "chat/completions",
        "voice-beta/x/chat/completions",
        "admin/orgs/",
    ],
)
def test_route_that_is_not_served_is_501_with_a_reason(client_for, client, alice, method, path):
    reply = getattr(client_for(alice), method)(f"/v1/{path}")

    assert reply.status_code == 501
    assert reply.json()["detail"].startswith("Not served: ")
    assert getattr(client, method)(f"/v1/{path}").status_code == 401


def test_names_that_look_like_ids_are_routes(client_for, alice):
    client = client_for(alice)
    conversation = make_conversation(make_agent(alice))
    active = make_run(conversation, status="running")
    make_run(conversation, status="completed")

    assert [run["id"] for run in client.get("/v1/runs/active").json()] == [active.pk]
    assert client.get("/v1/jobs/").json() == client.get("/v1/jobs/active").json() == []


def test_changing_a_message_is_405_with_the_reason(client_for, alice):
    conversation = make_agent(alice).conversations.get()
    [message] = make_messages(conversation, "hello")

    reply = client_for(alice).patch(
        f"/v1/agents/{conversation.agent_id}/messages/{message.pk}", {"content": "changed"}
    )

    assert reply.status_code == 405
    assert reply.json()["detail"].startswith("Messages can't be changed")
    message.refresh_from_db()
    assert message.text == "hello"
