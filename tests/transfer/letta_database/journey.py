"""Use the client against a server that imported a V1 database."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "sdk" / "journeys"))

from common import WORLD, connect, equal, passed

client = connect()
agents = list(client.agents.list(include=["agent.blocks"]))
equal({a.id: a.name for a in agents}, {a["id"]: a["name"] for a in WORLD["agents"]})
for expected in WORLD["agents"]:
    [agent] = [a for a in agents if a.id == expected["id"]]
    equal({b.id for b in agent.blocks}, set(expected["blocks"]))
for isolated in WORLD["isolated"]:
    conversation = client.conversations.retrieve(isolated["id"])
    equal(conversation.agent_id, isolated["agent_id"])
    equal(isolated["block"] in conversation.isolated_block_ids, True)
    block = client.blocks.retrieve(isolated["block"])
    equal((block.label, block.value), (isolated["label"], isolated["value"]))
conversation_ids = {text["conversation_id"] for text in WORLD["texts"]}
for conversation_id in conversation_ids:
    messages = client.conversations.messages.list(conversation_id, order="asc")
    found = {m.id: m.content for m in messages if m.message_type == "user_message"}
    expected = {
        text["id"]: text["text"]
        for text in WORLD["texts"]
        if text["conversation_id"] == conversation_id
    }
    equal(found, expected)

# The conversation continues: a turn, and an edit of its isolated block.
first = WORLD["isolated"][0]
client.blocks.update(first["block"], value="edited after the move")
events = client.conversations.messages.create(first["id"], input="hello")
equal("assistant_message" in {event.message_type for event in events}, True)
equal(client.blocks.retrieve(first["block"]).value, "edited after the move")
client.blocks.update(first["block"], value=first["value"])
client.runs.list(conversation_id=first["id"])
passed()
