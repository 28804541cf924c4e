"""Sending, and reading the answers."""

import json

from conversations.models import Conversation


def send(client, conversation: Conversation, text: str, **fields):
    """Send one message of the user, for a whole answer unless `streaming` says otherwise."""
    body = {"messages": [{"role": "user", "content": text}], "streaming": False, **fields}
    return post(client, f"/v1/conversations/{conversation.pk}/messages", body)


def post(client, path: str, body: dict | None = None):
    """Post, and read the response to its end if it is a stream."""
    response = client.post(path, body)
    if response.streaming:
        response.body = b"".join(response)
    return response


def stream(client, conversation: Conversation, text: str, **fields) -> list[dict]:
    return events_of(send(client, conversation, text, **{"streaming": True, **fields}))


def events_of(response) -> list[dict]:
    """The events of a stream without its pings; checks that it ends as streams do."""
    assert response.status_code == 200, getattr(response, "content", b"")
    assert response["Content-Type"].startswith("text/event-stream")
    *parts, done, rest = body_of(response).decode().split("\n\n")
    assert done == "data: [DONE]"
    assert rest == ""
    events = []
    for part in parts:
        *name, data = part.split("\n")
        event = json.loads(data.removeprefix("data: "))
        is_error = event["message_type"] == "error_message"
        assert name == (["event: error"] if is_error else [])
        events.append(event)
    return [event for event in events if event["message_type"] != "ping"]


def body_of(response) -> bytes:
    """The whole body of a stream, read now unless `post` has done so."""
    return response.body if hasattr(response, "body") else b"".join(response)


def said(events: list[dict]) -> str:
    return "".join(e["content"] for e in events if e["message_type"] == "assistant_message")


def types(events: list[dict]) -> list[str]:
    return [event["message_type"] for event in events]


def texts(conversation: Conversation) -> list[tuple[str, str]]:
    """What the conversation holds after its system message, as (role, text)."""
    links = conversation.message_links.filter(position__gt=0).select_related("message")
    return [(link.message.role, link.message.text) for link in links.order_by("position")]
