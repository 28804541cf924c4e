"""Export an agent to a file and import it with its conversations."""

import json

from common import MODEL, connect, equal, expect_error, isolating, passed
from letta_client import BadRequestError

client = connect()
agent = client.agents.create(
    name="Concierge", model=MODEL, memory_blocks=[{"label": "human", "value": "Nobody"}]
)
own = client.conversations.create(agent_id=agent.id, **isolating("human"))
[block_id] = own.isolated_block_ids
client.blocks.update(block_id, value="Ada")

text = client.agents.export_file(agent.id)
equal(isinstance(text, str), True)
equal(json.loads(text)["agents"][0]["name"], "Concierge")
answer = client.agents.import_file(file=("concierge.af", text.encode()))
[copy_id] = answer.agent_ids
copied = client.agents.retrieve(copy_id, include=["agent.blocks"])
equal((copied.name, [b.value for b in copied.blocks]), ("Concierge_copy", ["Nobody"]))
[conversation] = [c for c in client.conversations.list(agent_id=copy_id) if c.isolated_block_ids]
equal(client.blocks.retrieve(conversation.isolated_block_ids[0]).value, "Ada")

one = json.loads(client.agents.export_file(agent.id, conversation_id=own.id))
equal(len(one["conversations"]), 1)
template = json.loads(client.agents.export_file(agent.id, scrub_messages=True))
equal(template["conversations"], [])
[named] = client.agents.import_file(
    file=text.encode(), name="Named", append_copy_suffix=False, strip_messages=True
).agent_ids
equal(client.agents.retrieve(named).name, "Named")

expect_error(BadRequestError, client.agents.import_file, file=b"not json")
passed()
