"""A program that used a V1 server, run against the one its database was brought to."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "sdk" / "journeys"))

from common import WORLD, arrived, connect, equal

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
threads = {text["conversation_id"] for text in WORLD["texts"]}
for thread in threads:
    told = client.conversations.messages.list(thread, order="asc")
    said = {m.id: m.content for m in told if m.message_type == "user_message"}
    wanted = {t["id"]: t["text"] for t in WORLD["texts"] if t["conversation_id"] == thread}
    equal(said, wanted)

# And it goes on: a turn, and an edit that this conversation alone reads.
first = WORLD["isolated"][0]
client.blocks.update(first["block"], value="edited after the move")
events = client.conversations.messages.create(first["id"], input="hello")
equal("assistant_message" in {event.message_type for event in events}, True)
equal(client.blocks.retrieve(first["block"]).value, "edited after the move")
client.blocks.update(first["block"], value=first["value"])
client.runs.list(conversation_id=first["id"])
arrived()
