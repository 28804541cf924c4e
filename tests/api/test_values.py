"""A body with an invalid value is rejected; the error names the field."""

import json

import pytest

from ..factories import make_agent, make_conversation
from .stored_rows import stored

NUL = "Null characters are not allowed."
SURROGATE = "Surrogate characters are not allowed: U+D800."

BLOCK = {
    "text": ["value", "description", "template_name", "project_id", "label"],
    "integer": ["limit"],
    "boolean": ["read_only", "hidden", "is_template"],
    "array": ["tags"],
    "object": ["metadata"],
}
AGENT = {
    "text": ["name", "description", "system", "model", "embedding", "timezone"],
    "integer": ["context_window_limit"],
    "boolean": ["hidden"],
    "array": ["block_ids", "tool_ids", "tags", "isolated_labels"],
    "object": ["metadata", "model_settings"],
}
CONVERSATION = {
    "text": ["summary", "description", "model"],
    "integer": ["context_window_limit"],
    "boolean": ["hidden"],
    "object": ["model_settings"],
}
BODIES = {
    "post conversations/?agent_id={agent}": {**CONVERSATION, "array": ["isolated_block_labels"]},
    "patch conversations/{conversation}": {
        **CONVERSATION,
        "boolean": ["hidden", "archived"],
        "time": ["last_message_at"],
    },
    "post blocks/": BLOCK,
    "patch blocks/{block}": BLOCK,
    "patch agents/{agent}/core-memory/blocks/human": BLOCK,
    "post agents/": {
        **AGENT,
        "text": [*AGENT["text"], "agent_type"],
        "boolean": ["hidden", "include_base_tools"],
        "array": [*AGENT["array"], "memory_blocks", "tools", "initial_message_sequence"],
    },
    "patch agents/{agent}": AGENT,
}
WRONG = {
    "text": ("expected a string", [5, 1.5, True, [], {}, ["a"], {"a": "b"}]),
    "integer": ("expected an integer", ["five", 1.5, True, [], {}, "1e3"]),
    "boolean": ("expected true or false", ["maybe", 2, [], {}, 1.5]),
    "array": ("expected an array", ["text", 5, True, {}]),
    "object": ("expected an object", ["text", 5, True, [], ["a"]]),
    "time": ("expected a time in ISO 8601", ["yesterday", 5, True, [], {}, "2026-13-01"]),
}
# Required fields besides the tested one.
REST = {
    "post blocks/": {"label": "human"},
    "post agents/": {"model": "openai/gpt-4o"},
}


def fields_of(*kinds: str) -> list[tuple[str, str]]:
    return [(r, f) for r, body in BODIES.items() for kind in kinds for f in body.get(kind, [])]


@pytest.fixture
def error_of(client_for, alice):
    """Return a function that sends an invalid body and returns the detail of its 422."""
    agent = make_agent(alice, labels=["human"])
    ids = {
        "agent": agent.pk,
        "block": agent.blocks.get().pk,
        "conversation": make_conversation(agent).pk,
    }
    client = client_for(alice)

    def send(route: str, field: str, value: object) -> str:
        before = stored()
        method, _, path = route.format(**ids).partition(" ")
        body = json.dumps({**REST.get(route, {}), field: value}).encode()
        reply = client.generic(method.upper(), f"/v1/{path}", body, "application/json")
        assert reply.status_code == 422
        assert stored() == before
        return reply.json()["detail"]

    return send


@pytest.mark.parametrize("kind", WRONG)
def test_value_of_wrong_type_is_422(error_of, kind):
    expected, values = WRONG[kind]

    for route, field in fields_of(kind):
        for value in values:
            assert error_of(route, field, value).startswith(f"{field}: {expected}"), (route, field)


@pytest.mark.parametrize(("value", "problem"), [("a\0b", NUL), ("a\ud800b", SURROGATE)])
def test_unstorable_text_is_422(error_of, value, problem):
    for route, field in fields_of("text"):
        assert f"{field}: {problem}" in error_of(route, field, value), (route, field)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ({"a": "\0"}, "has a NUL character, which can't be stored"),
        ({"\0": "a"}, "has a NUL character, which can't be stored"),
        ({"a": [{"b": "\ud800"}]}, "has a lone surrogate, which can't be stored"),
        (
            {"a": json.loads("[" * 100 + "]" * 100)},
            "has more than 100 levels of nesting, which can't be stored",
        ),
    ],
)
def test_unstorable_object_is_422(error_of, value, problem):
    for route, field in fields_of("object"):
        assert error_of(route, field, value) == f"{field}: {problem}", (route, field)


@pytest.mark.parametrize("deep", [500, 900])
def test_deeply_nested_object_is_422(client_for, alice, deep):
    body = b'{"label": "a", "metadata": ' + b'{"a":' * deep + b"1" + b"}" * deep + b"}"

    reply = client_for(alice).generic("POST", "/v1/blocks/", body, "application/json")

    assert reply.status_code == 422


def test_number_beyond_double_is_422(client_for, alice):
    body = b'{"label": "a", "metadata": {"a": 1e999}}'

    reply = client_for(alice).generic("POST", "/v1/blocks/", body, "application/json")

    assert reply.status_code == 422
    assert reply.json() == {
        "detail": "metadata: has a number beyond the range of a double, which can't be stored"
    }


def test_object_at_limits_round_trips(client_for, alice):
    value = {"deep": json.loads("[" * 99 + "]" * 99), "ends": [10**400, -(2**70), 5e-324]}
    client = client_for(alice)

    made = client.post("/v1/blocks/", {"label": "a", "metadata": value}).json()

    assert made["metadata"] == value
    assert client.get(f"/v1/blocks/{made['id']}").json() == made


def test_etag_of_large_numbers(client_for, alice):
    client = client_for(alice)
    conversation = make_conversation(make_agent(alice, labels=["human"]), isolated=["human"])
    path = f"/v1/conversations/{conversation.pk}"
    metadata = {"a": 10**400}
    client.patch(f"{path}/isolated-blocks/human", {"metadata": metadata})

    read = client.get(f"{path}/isolated-blocks/human")

    assert read.json()["block"]["metadata"] == metadata
    assert read.headers["ETag"] == client.get(f"{path}/isolated-blocks/human").headers["ETag"]


def test_largest_double_round_trips(client_for, alice):
    client = client_for(alice)

    made = client.post("/v1/blocks/", {"label": "a", "metadata": {"a": 1e308}}).json()

    read = client.get(f"/v1/blocks/{made['id']}").json()
    assert float(read["metadata"]["a"]) == 1e308


def test_large_numbers_keep_time_format(client_for, alice):
    agent = make_agent(alice)
    client, path = client_for(alice), f"/v1/agents/{agent.pk}"
    before = client.get(path).json()

    client.patch(path, {"metadata": {"a": 10**30}})

    assert client.get(path).json()["created_at"] == before["created_at"]


@pytest.mark.parametrize(("value", "problem"), [("\0", NUL), ("\ud800", SURROGATE)])
@pytest.mark.parametrize("field", ["tags", "isolated_labels", "isolated_block_labels", "tools"])
def test_unstorable_text_in_list_is_422(error_of, field, value, problem):
    for route, name in fields_of("array"):
        if name == field:
            assert f"{field}.0: {problem}" in error_of(route, field, [value]), route


@pytest.mark.parametrize("value", [5, None, True, [], {}])
@pytest.mark.parametrize("field", ["tags", "isolated_labels", "isolated_block_labels", "tools"])
def test_list_of_other_types_is_422(error_of, field, value):
    for route, name in fields_of("array"):
        if name == field:
            assert error_of(route, field, [value]).startswith(f"{field}.0: expected a string"), (
                route
            )


@pytest.mark.parametrize(
    ("route", "field", "most"),
    [
        ("post conversations/?agent_id={agent}", "model", 200),
        ("patch conversations/{conversation}", "model", 200),
        ("post blocks/", "template_name", 200),
        ("patch blocks/{block}", "project_id", 200),
        ("patch agents/{agent}", "name", 200),
        ("patch agents/{agent}", "timezone", 64),
        ("post agents/", "agent_type", 50),
        ("patch blocks/{block}", "label", 200),
    ],
)
def test_text_longer_than_column_is_422(error_of, route, field, most):
    problem = error_of(route, field, "a" * (most + 1))

    assert problem == f"{field}: Ensure this field has no more than {most} characters."


@pytest.mark.parametrize("kind", ["no-provider-of-ours", 5, ["openai"], None])
def test_model_settings_of_unknown_provider_are_422(error_of, kind):
    for route, field in fields_of("object"):
        if field == "model_settings":
            problem = error_of(route, field, {"provider_type": kind})
            assert problem.startswith(f"{field}: provider_type: expected one of anthropic, ")
            assert problem.endswith(f", got {kind!r}")


@pytest.mark.parametrize(
    "path",
    [
        "agents/?name=%00",
        "agents/?tags=%00",
        "blocks/?value_search=%00",
        "blocks/?label=%00",
        "conversations/?summary_search=%00",
        "messages/?group_id=%00",
        "runs/?stop_reason=%00",
        "tags/?name=%00",
    ],
)
def test_nul_in_query_is_422(client_for, alice, path):
    reply = client_for(alice).get(f"/v1/{path}")

    assert reply.status_code == 422
    name = path.partition("?")[2].partition("=")[0]
    assert reply.json()["detail"].startswith(name)
    assert NUL in reply.json()["detail"]


@pytest.mark.parametrize("path", ["agents/?name=%FF", "blocks/?value_search=%ED%A0%80"])
def test_invalid_utf8_in_query_matches_nothing(client_for, alice, path):
    reply = client_for(alice).get(f"/v1/{path}")

    assert (reply.status_code, reply.json()) == (200, [])


TEXT = {"type": "text", "text": "x"}
PATHS = {
    "agents": "agents/",
    "conversations": "conversations/?agent_id={agent}",
    "fork": "conversations/{conversation}/fork",
    "messages": "conversations/{conversation}/messages",
    "reset": "agents/{agent}/isolated-blocks/human/reset",
}


@pytest.mark.parametrize(
    ("path", "name", "item", "maximum"),
    [
        ("agents", "memory_blocks", {"label": "a"}, 200),
        ("agents", "block_ids", "x", 200),
        ("agents", "tags", "x", 200),
        ("agents", "tools", "x", 200),
        ("agents", "tool_rules", {}, 200),
        ("agents", "isolated_labels", "a", 200),
        ("agents", "initial_message_sequence", {}, 200),
        ("conversations", "isolated_block_labels", "a", 200),
        ("messages", "messages", {"role": "user", "content": "x"}, 1_000),
        ("messages", "input", TEXT, 1_000),
        ("messages", "client_tools", {"name": "x"}, 200),
        ("reset", "conversation_ids", "x", 1_000),
    ],
)
def test_list_beyond_maximum_is_422(client_for, alice, path, name, item, maximum):
    agent = make_agent(alice, labels=["human"])
    path = PATHS[path].format(agent=agent.pk, conversation=make_conversation(agent).pk)
    before = stored()

    reply = client_for(alice).post(f"/v1/{path}", {name: [item] * (maximum + 1)})

    assert reply.status_code == 422
    assert reply.json() == {
        "detail": f"{name}: expected at most {maximum} items, got {maximum + 1}"
    }
    assert stored() == before


@pytest.mark.parametrize(
    ("name", "maximum"), [("content", 1_000), ("approvals", 1_000), ("tool_returns", 1_000)]
)
def test_list_in_message_beyond_maximum_is_422(client_for, alice, name, maximum):
    conversation = make_conversation(make_agent(alice))
    kind = {"content": "message", "approvals": "approval", "tool_returns": "tool_return"}[name]
    message = {"type": kind, "role": "user", name: [TEXT] * (maximum + 1)}

    reply = client_for(alice).post(
        f"/v1/conversations/{conversation.pk}/messages", {"messages": [message]}
    )

    assert reply.status_code == 422
    assert f"{name}: expected at most {maximum} items" in reply.json()["detail"]


def test_fork_choices_beyond_maximum_are_422(client_for, alice):
    conversation = make_conversation(make_agent(alice))
    choices = {f"label{i}": "copy" for i in range(201)}

    reply = client_for(alice).post(
        f"/v1/conversations/{conversation.pk}/fork", {"isolated_blocks": choices}
    )

    assert reply.status_code == 422
    assert reply.json()["detail"].startswith("isolated_blocks: expected at most 200 items")
