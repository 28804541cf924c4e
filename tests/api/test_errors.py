"""Invalid requests get an error that names the problem, and store nothing."""

import pytest
from django.conf import settings

from conversations.ids import new_id

from ..factories import make_agent, make_conversation
from .routes import ATTACH_ROUTES, ROUTES, ROUTES_WITH_PRECONDITIONS, Route
from .stored_rows import stored

EVERY_ROUTE = [*ROUTES, *ROUTES_WITH_PRECONDITIONS]
WRONG_IDS = ["nonsense", "{upper}", "{other}", "{bare}", "{version1}"]


def wrong_id(kind: str, right: str) -> str:
    prefix, _, uuid = right.partition("-")
    return kind.format(
        upper=f"{prefix}-{uuid.upper()}",
        other=f"org-{uuid}",
        bare=uuid,
        version1=f"{prefix}-{uuid[:14]}1{uuid[15:]}",
    )


@pytest.mark.parametrize("kind", WRONG_IDS)
@pytest.mark.parametrize("route", [r for r in EVERY_ROUTE if r.parameter != "run_id"], ids=str)
def test_malformed_id_is_422(client_for, alice, route, kind):
    wrong = wrong_id(kind, route.unknown_id())
    before = stored()

    reply = route.send(client_for(alice), **{route.parameter: wrong})

    assert reply.status_code == 422
    detail = reply.json()["detail"]
    assert detail.startswith(f"{route.parameter}: expected ")
    assert detail.endswith(f", got {wrong!r}")
    assert stored() == before


@pytest.mark.parametrize("route", ATTACH_ROUTES, ids=str)
def test_malformed_block_id_with_agent_is_422(client_for, alice, route):
    agent = make_agent(alice)

    reply = route.send(client_for(alice), agent_id=agent.pk, block_id="block-1")

    assert reply.status_code == 422
    assert reply.json() == {
        "detail": "block_id: expected block-<uuid4> in lower case, got 'block-1'"
    }


@pytest.mark.parametrize("kind", WRONG_IDS)
def test_malformed_run_id_is_400(client_for, alice, kind):
    wrong = wrong_id(kind, new_id("run"))

    reply = client_for(alice).get(f"/v1/runs/{wrong}")

    assert reply.status_code == 400
    assert reply.json() == {
        "detail": f"INVALID_ARGUMENT: Invalid run ID format: {wrong!r}. "
        "Expected format: 'run-<uuid4>'"
    }


@pytest.mark.parametrize("route", EVERY_ROUTE, ids=str)
def test_unknown_id_is_404_without_details(client_for, alice, route):
    """V1 returned the whole user, or SQL."""
    unknown = route.unknown_id()

    reply = route.send(client_for(alice), **{route.parameter: unknown})

    assert reply.status_code == 404
    assert reply.json() in (
        {"detail": f"Conversation not found with id='{unknown}'"},
        {"detail": f"Agent with ID {unknown} not found"},
        {"detail": f"Archive not found with id='{unknown}'"},
        {"detail": f"Block with id '{unknown}' not found"},
        {"detail": f"Message with id {unknown} not found."},
        {"detail": f"File with id={unknown} not found."},
        {"detail": f"Folder with id={unknown} not found."},
        {"detail": f"Identity not found with id='{unknown}'"},
        {"detail": f"MCP server not found with id='{unknown}'"},
        {"detail": f"Run not found with id='{unknown}'"},
        {"detail": f"Step not found with id='{unknown}'"},
        {"detail": f"Tool not found with id='{unknown}'"},
    )


def test_malformed_id_error_mentions_default(client_for, alice):
    reply = client_for(alice).get("/v1/conversations/mine/messages")

    assert reply.status_code == 422
    assert reply.json() == {
        "detail": "conversation_id: expected conv-<uuid4>, 'default' or agent-<uuid4>, got 'mine'"
    }


WRITES = [
    Route("post", "conversations/?agent_id={agent_id}"),
    Route("patch", "conversations/{conversation_id}"),
    Route("post", "conversations/{conversation_id}/recompile"),
    Route("post", "blocks/"),
    Route("patch", "blocks/{block_id}"),
    Route("post", "agents/"),
    Route("patch", "agents/{agent_id}"),
    Route("patch", "agents/{agent_id}/core-memory/blocks/human"),
]


@pytest.fixture
def send_raw(client_for, alice):
    """Send a raw body to a route, and check that it stores nothing."""
    agent = make_agent(alice, labels=["human"])
    ids = {
        "agent_id": agent.pk,
        "block_id": agent.blocks.get().pk,
        "conversation_id": make_conversation(agent).pk,
    }
    client = client_for(alice)

    def send(route: Route, body: bytes, content_type: str = "application/json"):
        before = stored()
        path = f"/v1/{route.path.format(**ids)}"
        reply = client.generic(route.method.upper(), path, body, content_type)
        assert stored() == before
        assert reply["Content-Type"] == "application/json"
        return reply

    return send


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"{", "body: expected JSON in UTF-8; Expecting property name"),
        (b'{"value": "a\xff"}', "body: expected JSON in UTF-8; 'utf-8' codec can't decode"),
        (b'{"metadata": {"x": NaN}}', "body: expected JSON in UTF-8; NaN is not JSON"),
        (b'{"limit": Infinity}', "body: expected JSON in UTF-8; Infinity is not JSON"),
        (b'{"limit": -Infinity}', "body: expected JSON in UTF-8; -Infinity is not JSON"),
        (b'{"limit": ' + b"9" * 5000 + b"}", "body: expected JSON in UTF-8; Exceeds the limit"),
        (b'{"value": ' * 20_000, "body: expected JSON in UTF-8; maximum recursion depth"),
        (b"[" * 20_000, "body: expected JSON in UTF-8; maximum recursion depth"),
        (b"[]", "body: expected a JSON object, got an array"),
        (b'"text"', "body: expected a JSON object, got a string"),
        (b"17", "body: expected a JSON object, got a number"),
        (b"true", "body: expected a JSON object, got a boolean"),
        (b"null", "body: expected a JSON object, got null"),
    ],
)
@pytest.mark.parametrize("route", WRITES, ids=str)
def test_body_that_is_not_a_json_object_is_422(send_raw, route, body, expected):
    reply = send_raw(route, body)

    assert reply.status_code == 422
    assert reply.json()["detail"].startswith(expected)


BODIES_REQUIRED = [route for route in WRITES if not route.path.startswith("conv")] + [WRITES[1]]


@pytest.mark.parametrize("route", BODIES_REQUIRED, ids=str)
def test_missing_body_is_422(send_raw, route):
    reply = send_raw(route, b"")

    assert reply.status_code == 422
    assert reply.json() == {"detail": "body: expected a JSON object, got no body"}


@pytest.mark.parametrize("route", WRITES, ids=str)
def test_body_of_ten_megabytes_is_413(send_raw, route):
    reply = send_raw(route, b'{"summary": "' + b"x" * 10_000_000 + b'"}')

    assert reply.status_code == 413
    assert reply.json() == {
        "detail": f"body: expected at most {settings.DATA_UPLOAD_MAX_MEMORY_SIZE} bytes"
    }


@pytest.mark.parametrize(
    "media_type",
    ["text/plain", "application/xml", "application/x-www-form-urlencoded", "multipart/form-data"],
)
@pytest.mark.parametrize("route", WRITES, ids=str)
def test_other_media_type_is_415(send_raw, route, media_type):
    reply = send_raw(route, b'{"summary": "x", "value": "x"}', media_type)

    assert reply.status_code == 415
    assert reply.json() == {"detail": f'Unsupported media type "{media_type}" in request.'}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("put", "/v1/agents/"),
        ("delete", "/v1/blocks/"),
        ("post", "/v1/blocks/count"),
        ("put", "/v1/conversations/conv-1"),
        ("get", "/v1/conversations/conv-1/fork"),
        ("post", "/v1/conversations/conv-1/blocks"),
        ("put", "/v1/runs/run-1"),
        ("patch", "/v1/tags/"),
        ("post", "/v1/models/"),
    ],
)
def test_other_method_is_405(client_for, alice, method, path):
    reply = getattr(client_for(alice), method)(path)

    assert reply.status_code == 405
    assert reply.json() == {"detail": "Method Not Allowed"}


@pytest.mark.parametrize(
    "path", ["", "nowhere", "nowhere/", "agents/x/y/z", "blocks/a\tb/c", "%00", "%ff", "é/"]
)
def test_unknown_route_is_404(client_for, alice, path):
    reply = client_for(alice).get(f"/v1/{path}")

    assert reply.status_code == 404
    assert reply.json() == {"detail": "Not Found"}


def test_unknown_route_is_404_for_every_method(client_for, alice):
    client = client_for(alice)

    replies = [getattr(client, method)("/v1/nowhere") for method in ("post", "patch", "delete")]

    assert [reply.status_code for reply in replies] == [404, 404, 404]


@pytest.mark.parametrize("accept", ["text/event-stream", "text/html", "application/xml", "x"])
def test_response_is_json_for_any_accept_header(client_for, alice, accept):
    reply = client_for(alice).get("/v1/agents/", HTTP_ACCEPT=accept)

    assert (reply.status_code, reply["Content-Type"]) == (200, "application/json")


@pytest.mark.parametrize("path", ["agents/?format=xml", "health/?format=html"])
def test_format_parameter_is_ignored(client_for, alice, path):
    reply = client_for(alice).get(f"/v1/{path}")

    assert reply.status_code == 200


@pytest.mark.parametrize("parameter", ["tags", "identifier_keys"])
def test_parameter_repeated_201_times_is_422(client_for, alice, parameter):
    client = client_for(alice)
    repeated = "&".join([f"{parameter}=x"] * 201)

    replies = [client.get(f"/v1/{path}/?{repeated}") for path in ("agents", "blocks")]

    assert [reply.status_code for reply in replies] == [422, 422]
    assert replies[0].json() == {"detail": f"{parameter}: expected at most 200 items, got 201"}


def test_parameter_repeated_200_times_is_accepted(client_for, alice):
    make_agent(alice, tags=["t7"])
    repeated = "&".join(f"tags=t{i}" for i in range(200))

    reply = client_for(alice).get(f"/v1/agents/count?{repeated}")

    assert reply.json() == 1


def test_ten_thousand_parameters_are_422(client_for, alice):
    reply = client_for(alice).get(f"/v1/agents/?{'a&' * 10_001}")

    assert reply.status_code == 422
    assert reply.json() == {"detail": "query: expected at most 10000 parameters"}


def test_unexpected_error_is_500_without_details(client_for, alice):
    """The row has a time zone that no verb accepts."""
    agent = make_agent(alice)
    type(agent).objects.update(timezone="Nowhere/Land")

    reply = client_for(alice).post(f"/v1/agents/{agent.pk}/recompile")

    assert reply.status_code == 500
    assert reply.json() == {"detail": "An unknown error occurred"}
