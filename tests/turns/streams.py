"""Reading answers of the API in tests."""

import json


def events_of(response) -> list[dict]:
    """The events of a stream without its pings; checks that it ends as streams do."""
    assert response.status_code == 200, response.content
    assert response["Content-Type"].startswith("text/event-stream")
    *parts, done, rest = b"".join(response.streaming_content).decode().split("\n\n")
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


def said(events: list[dict]) -> str:
    return "".join(e["content"] for e in events if e["message_type"] == "assistant_message")


def types(events: list[dict]) -> list[str]:
    return [event["message_type"] for event in events]
