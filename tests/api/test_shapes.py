"""What is answered has exactly the fields that the OpenAPI document declares."""

import pytest

from conversations.api.serializers.agents import (
    ABSENT,
    AgentSerializer,
    MemorySerializer,
    ToolSerializer,
)
from conversations.api.serializers.blocks import BlockSerializer
from conversations.api.serializers.context import ContextWindowSerializer
from conversations.api.serializers.conversations import (
    ConversationSerializer,
    ForkedFromSerializer,
)
from conversations.api.serializers.isolated_blocks import (
    ComparisonSerializer,
    EffectiveBlockSerializer,
)
from conversations.api.serializers.messages import MessageSerializer
from conversations.api.serializers.runs import RunSerializer
from conversations.api.serializers.server import ModelSerializer, StatusSerializer

from ..factories import make_agent, make_conversation, make_messages, make_run


@pytest.fixture
def answer(client_for, alice):
    """Gives what is at a path of a world in which nothing is empty."""
    agent = make_agent(alice, labels=["human"], tools=["memory_insert"], tags=["t"])
    conversation = make_conversation(agent, isolated=["human"])
    [message] = make_messages(conversation, "hello")
    run = make_run(conversation)
    client = client_for(alice)
    fork = client.post(f"/v1/conversations/{conversation.pk}/fork").json()
    ids = {
        "agent": agent.pk,
        "block": agent.blocks.get().pk,
        "conv": conversation.pk,
        "fork": fork["id"],
        "message": message.pk,
        "run": run.pk,
    }

    def get(path: str, inside: tuple = ()):
        value = client.get(f"/v1/{path.format(**ids)}").json()
        for name in inside:
            value = value[name]
        return value

    return get


@pytest.mark.parametrize(
    ("serializer", "path", "inside"),
    [
        (AgentSerializer, "agents/{agent}", ()),
        (AgentSerializer, "agents/", (0,)),
        (AgentSerializer, "blocks/{block}/agents", (0,)),
        (MemorySerializer, "agents/{agent}", ("memory",)),
        (MemorySerializer, "agents/{agent}/core-memory", ()),
        (ToolSerializer, "agents/{agent}", ("tools", 0)),
        (BlockSerializer, "agents/{agent}", ("blocks", 0)),
        (BlockSerializer, "agents/{agent}", ("memory", "blocks", 0)),
        (BlockSerializer, "agents/{agent}/core-memory", ("blocks", 0)),
        (BlockSerializer, "agents/{agent}/core-memory/blocks", (0,)),
        (BlockSerializer, "agents/{agent}/core-memory/blocks/human", ()),
        (BlockSerializer, "blocks/", (0,)),
        (BlockSerializer, "blocks/{block}", ()),
        (ConversationSerializer, "conversations/", (0,)),
        (ConversationSerializer, "conversations/{conv}", ()),
        (ForkedFromSerializer, "conversations/{fork}", ("forked_from",)),
        (EffectiveBlockSerializer, "conversations/{conv}/blocks", (0,)),
        (BlockSerializer, "conversations/{conv}/blocks", (0, "block")),
        (ComparisonSerializer, "conversations/{conv}/isolated-blocks/human/diff", ()),
        (ContextWindowSerializer, "agents/{agent}/context", ()),
        (RunSerializer, "runs/", (0,)),
        (RunSerializer, "runs/{run}", ()),
        (ModelSerializer, "models/", (0,)),
        (StatusSerializer, "health/", ()),
        (StatusSerializer, "ready/", ()),
    ],
)
def test_an_answer_has_the_declared_fields_and_no_others(answer, serializer, path, inside):
    found = set(answer(path, inside))

    absent = set(ABSENT) if serializer is AgentSerializer else set()
    assert found == {*serializer().fields, *absent}


@pytest.mark.parametrize(
    "path", ["conversations/{conv}/messages", "messages/", "messages/{message}"]
)
def test_a_message_has_declared_fields_only(answer, path):
    fields = MessageSerializer().fields
    always = {name for name, field in fields.items() if field.required}

    for message in answer(path):
        assert set(message) == always | {"content"}
        assert set(message) <= set(fields)
