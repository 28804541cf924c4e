"""Send messages and read the responses."""

import json

from conversations.models import Conversation


def send(client, conversation: Conversation, text: str, **fields):
    """Send one user message, without streaming unless `streaming` is given."""
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
    """Return the events of a stream except pings; check that it ends with [DONE]."""
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
    """Return the whole body of a stream; read it unless `post` has."""
    return response.body if hasattr(response, "body") else b"".join(response)


def said(events: list[dict]) -> str:
    return "".join(e["content"] for e in events if e["message_type"] == "assistant_message")


def types(events: list[dict]) -> list[str]:
    return [event["message_type"] for event in events]


def texts(conversation: Conversation) -> list[tuple[str, str]]:
    """Return (role, text) of each message after the system message."""
    links = conversation.message_links.filter(position__gt=0).select_related("message")
    return [(link.message.role, link.message.text) for link in links.order_by("position")]
