"""The context window shows the current blocks of the right conversation."""

import pytest

from conversations.models import Message

from ..factories import make_agent, make_conversation, make_messages
from .stored_rows import stored


@pytest.fixture
def world(client_for, alice):
    """Return an agent, a conversation whose `human` is "isolated", another one, and a client."""
    agent = make_agent(alice, labels=["human"], tools=["memory_insert"])
    own, other = make_conversation(agent, isolated=["human"]), make_conversation(agent)
    client = client_for(alice)
    client.patch(f"/v1/blocks/{own.isolated_blocks.get().pk}", {"value": "isolated"})
    client.patch(f"/v1/blocks/{agent.blocks.get().pk}", {"value": "shared"})
    return agent, own, other, client


def human_in(text: str) -> str:
    """Return the value of the block `human` in a prompt."""
    return text.partition("<human>")[2].partition("<value>\n")[2].partition("\n</value>")[0]


def test_context_shows_effective_blocks(world):
    """V1 showed the agent's values for every conversation."""
    agent, own, other, client = world
    path = f"/v1/agents/{agent.pk}/context"

    windows = [
        client.get(path, query).json()
        for query in (
            {"conversation_id": own.pk},
            {"conversation_id": other.pk},
            {"conversation_id": "default"},
            {},
        )
    ]

    assert [human_in(w["core_memory"]) for w in windows] == [
        "isolated",
        "shared",
        "shared",
        "shared",
    ]
    assert [human_in(w["messages"][0]["content"][0]["text"]) for w in windows] == [
        "isolated", "shared", "shared", "shared",
    ]  # fmt: skip
    named = [
        w["external_memory_summary"].partition("CONVERSATION_ID: ")[2].partition("\n")[0]
        for w in windows
    ]
    assert named == [own.pk, other.pk, "default", "default"]


def test_context_tokens_add_up(world):
    agent, own, _, client = world
    make_messages(own, "question", "answer")

    window = client.get(f"/v1/agents/{agent.pk}/context?conversation_id={own.pk}").json()

    parts = [value for name, value in window.items() if name.startswith("num_tokens_")]
    assert sum(parts) == window["context_window_size_current"]
    assert window["context_window_size_max"] == 128_000
    assert (window["num_messages"], window["num_recall_memory"]) == (3, 3)
    assert [m["role"] for m in window["messages"]] == ["system", "user", "assistant"]
    named = ("system", "core_memory", "functions_definitions", "messages")
    assert all(window[f"num_tokens_{name}"] > 0 for name in named)


def test_conversation_limit_overrides_agent_limit(world):
    agent, own, _, client = world
    client.patch(f"/v1/conversations/{own.pk}", {"context_window_limit": 4000})

    window = client.get(f"/v1/agents/{agent.pk}/context?conversation_id={own.pk}").json()

    assert window["context_window_size_max"] == 4000


def test_context_stores_nothing(world):
    agent, own, _, client = world
    before = stored()

    client.get(f"/v1/agents/{agent.pk}/context?conversation_id={own.pk}")

    assert stored() == before


@pytest.mark.parametrize("where", ["context", "messages"])
def test_context_of_other_agents_conversation_is_404(world, alice, where):
    """V1 showed its messages in this agent's context."""
    agent, _, _, client = world
    foreign = make_conversation(make_agent(alice))

    reply = client.get(f"/v1/agents/{agent.pk}/{where}?conversation_id={foreign.pk}")

    assert reply.status_code == 404
    assert reply.json() == {
        "detail": f"Conversation not found with id='{foreign.pk}' for agent '{agent.pk}'"
    }


@pytest.mark.parametrize("where", ["context", "messages"])
def test_malformed_conversation_id_is_422(world, where):
    """V1 accepted any id."""
    agent, _, _, client = world

    reply = client.get(f"/v1/agents/{agent.pk}/{where}?conversation_id=mine")

    assert reply.status_code == 422
    assert reply.json()["detail"].startswith("conversation_id: expected conv-<uuid4>")


def test_recompile_stores_effective_blocks(world):
    """V1 stored the agent's values, under the name of the default conversation."""
    _, own, _, client = world
    system = own.messages.get()
    path = f"/v1/conversations/{own.pk}/recompile"

    text = client.post(path).json()

    stored_text = Message.objects.get(pk=system.pk).text
    assert text == stored_text
    assert human_in(text) == "isolated"
    assert f"- CONVERSATION_ID: {own.pk}\n" in text
    assert client.get(f"/v1/conversations/{own.pk}").json()["stale"] is False


def test_recompile_dry_run_stores_nothing(world):
    _, own, _, client = world
    before = stored()

    text = client.post(f"/v1/conversations/{own.pk}/recompile?dry_run=true").json()

    assert human_in(text) == "isolated"
    assert stored() == before


@pytest.mark.parametrize("spelling", ["query", "body", "path"])
def test_default_conversation_recompiles_by_each_name(world, spelling):
    agent, _, _, client = world
    path = "/v1/conversations/default/recompile"

    reply = {
        "query": lambda: client.post(f"{path}?agent_id={agent.pk}"),
        "body": lambda: client.post(path, {"agent_id": agent.pk, "compaction_settings": {}}),
        "path": lambda: client.post(f"/v1/conversations/{agent.pk}/recompile"),
    }[spelling]()

    assert (reply.status_code, human_in(reply.json())) == (200, "shared")
    assert "- CONVERSATION_ID: default\n" in reply.json()


@pytest.mark.parametrize("agent_id", ["agent-1", 5, ["a"]])
def test_malformed_agent_id_in_body_is_422(world, agent_id):
    _, own, _, client = world

    reply = client.post(f"/v1/conversations/{own.pk}/recompile", {"agent_id": agent_id})

    assert reply.status_code == 422
    assert reply.json()["detail"].startswith("agent_id: expected ")
