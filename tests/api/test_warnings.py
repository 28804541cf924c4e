"""What a request asks for and does not get is named in the response."""

import json
import re

import pytest

from ..factories import make_agent, make_conversation

pytestmark = pytest.mark.django_db
MODEL = "openai/gpt-4o-mini"


def header_warnings(reply) -> list[str]:
    found = re.findall(r'299 - ("(?:[^"\\]|\\.)*")', reply.headers.get("Warning", ""))
    return [json.loads(text) for text in found]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("include_multi_agent_tools", True),
        ("enable_sleeptime", True),
        ("message_buffer_autoclear", True),
        ("project_id", "p"),
        ("no_such_field", {"a": 1}),
        ("f\u00e9\r\nX-Evil: 1", "x"),
    ],
)
def test_ignored_field_is_named(client_for, alice, field, value):
    reply = client_for(alice).post("/v1/agents/", {"model": MODEL, field: value})

    assert reply.status_code == 200
    [warning] = reply.json()["warnings"]
    assert warning.startswith(f"{field} is ignored: ")
    assert header_warnings(reply) == [warning]
    assert "X-Evil" not in reply.headers


@pytest.mark.parametrize("value", [None, False, [], {}, ""])
def test_empty_field_is_not_worth_a_warning(client_for, alice, value):
    reply = client_for(alice).post("/v1/agents/", {"model": MODEL, "enable_sleeptime_": value})

    assert "warnings" not in reply.json()
    assert "Warning" not in reply.headers


def test_nested_field_is_named_by_its_path(client_for, alice):
    body = {
        "model": MODEL,
        "memory_blocks": [{"label": "a"}, {"label": "b", "colour": "red"}],
        "llm_config": {"model": "x", "model_wrapper": "chatml"},
    }

    reply = client_for(alice).post("/v1/agents/", body)

    names = [text.partition(" ")[0] for text in reply.json()["warnings"]]
    assert names == ["memory_blocks.1.colour", "llm_config.model_wrapper"]


def test_ignored_parameter_of_a_list_is_in_the_header(client_for, alice):
    reply = client_for(alice).get("/v1/blocks/?colour=red&limit=1")

    assert reply.json() == []
    assert header_warnings(reply) == ["colour is ignored: this server does not know it"]


def test_number_of_warnings_is_bounded(client_for, alice):
    body = {"model": MODEL, **{f"field{number}": "x" * 1_000 for number in range(1_000)}}

    reply = client_for(alice).post("/v1/agents/", body)

    assert len(reply.json()["warnings"]) == 20
    assert len(reply.headers["Warning"]) < 4_000


def test_turn_names_what_it_ignores(client_for, alice, model, transactional_db):
    conversation = make_conversation(make_agent(alice))
    path = f"/v1/conversations/{conversation.pk}/messages"
    body = {"input": "SAY hello", "client_skills": [{"name": "x"}]}
    client = client_for(alice)

    whole = client.post(path, {**body, "streaming": False})
    stream = client.post(path, body)

    assert whole.json()["messages"][-1]["content"] == "hello"
    assert [text.partition(" ")[0] for text in whole.json()["warnings"]] == ["client_skills"]
    assert header_warnings(stream) == whole.json()["warnings"]
    assert b"hello" in b"".join(stream)


def test_error_has_no_warnings(client_for, alice):
    reply = client_for(alice).post("/v1/agents/", {"colour": "red"})

    assert reply.status_code == 400
    assert list(reply.json()) == ["detail"]


def test_older_settings_become_model_settings(client_for, alice):
    body = {
        "llm_config": {"handle": MODEL, "temperature": 0.2, "max_tokens": 50},
        "response_format": {"type": "json_object"},
        "parallel_tool_calls": False,
        "max_tokens": 60,
        "embedding_config": {"embedding_model": "e", "embedding_endpoint_type": "openai"},
    }

    reply = client_for(alice).post("/v1/agents/", body).json()

    assert reply["model_settings"] == {
        "temperature": 0.2,
        "max_output_tokens": 50,
        "response_format": {"type": "json_object"},
        "parallel_tool_calls": False,
    }
    assert reply["embedding"] == "openai/e"
    assert "warnings" not in reply


def test_sleeptime_agent_has_an_empty_group_that_never_runs(client_for, alice, mallory):
    client = client_for(alice)
    agent = client.post("/v1/agents/", {"model": MODEL, "enable_sleeptime": True}).json()
    path = f"/v1/groups/{agent['multi_agent_group']['id']}"
    body = {"manager_config": {"manager_type": "sleeptime", "sleeptime_agent_frequency": 2}}

    changed = client.patch(path, body)

    assert changed.status_code == 200
    assert changed.json()["sleeptime_agent_frequency"] is None
    assert changed.json()["warnings"][0].startswith("nothing was changed")
    assert client_for(mallory).patch(path, body).status_code == 404
    assert client.get(f"/v1/agents/{agent['id']}").json()["multi_agent_group"] is None
