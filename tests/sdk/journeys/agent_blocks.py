"""Blocks of an agent by label; attach and detach them; the resulting prompt."""

from common import MODEL, connect, equal, expect_error, passed, prompt_of
from letta_client import ConflictError, NotFoundError

client = connect()
agent = client.agents.create(
    model=MODEL,
    memory_blocks=[{"label": "human", "value": "Ada"}, {"label": "system/notes", "value": "n"}],
)
labels = [b.label for b in client.agents.blocks.list(agent.id, order="asc")]
equal(labels, ["human", "system/notes"])
equal([b.label for b in client.agents.blocks.list(agent.id, limit=1)], ["system/notes", "human"])

human = client.agents.blocks.retrieve("human", agent_id=agent.id)
equal((human.id, human.value), (agent.blocks[0].id, "Ada"))
equal(client.agents.blocks.retrieve("system/notes", agent_id=agent.id).value, "n")
changed = client.agents.blocks.update("human", agent_id=agent.id, value="Ada Lovelace")
equal((changed.id, changed.value), (human.id, "Ada Lovelace"))
expect_error(NotFoundError, client.agents.blocks.retrieve, "nolabel", agent_id=agent.id)

extra = client.blocks.create(label="extra", value="E1")
rival = client.blocks.create(label="extra", value="E2")
attached = client.agents.blocks.attach(extra.id, agent_id=agent.id)
equal(attached.id, agent.id)
equal({b.label for b in attached.blocks}, {"human", "system/notes", "extra"})
client.agents.blocks.attach(extra.id, agent_id=agent.id)
equal(len(list(client.agents.blocks.list(agent.id))), 3)
taken = expect_error(ConflictError, client.agents.blocks.attach, rival.id, agent_id=agent.id)
equal("'extra'" in taken.body["detail"], True)

prompt = prompt_of(client.agents.recompile(agent.id, dry_run=True))
equal(("Ada Lovelace" in prompt, "E1" in prompt, "E2" in prompt), (True, True, False))
equal(client.agents.retrieve(agent.id).message_ids, agent.message_ids)
stored = prompt_of(client.agents.recompile(agent.id))
[system] = client.messages.retrieve(agent.message_ids[0])
equal(system.content, stored)

detached = client.agents.blocks.detach(extra.id, agent_id=agent.id)
equal([b.label for b in detached.blocks], ["human", "system/notes"])
expect_error(NotFoundError, client.agents.blocks.detach, extra.id, agent_id=agent.id)
[system] = client.messages.retrieve(agent.message_ids[0])
equal("E1" in system.content, False)
equal(client.blocks.retrieve(extra.id).value, "E1")

# Any label, encoded by the client; by hand where the label looks like a route.
for label in ["user profile", "é 100%", "system/notes/today"]:
    client.agents.blocks.attach(client.blocks.create(label=label, value="v").id, agent_id=agent.id)
    equal(client.agents.blocks.retrieve(label, agent_id=agent.id).label, label)
route_like = client.blocks.create(label="human/diff", value="v")
client.agents.blocks.attach(route_like.id, agent_id=agent.id)
conversation = client.conversations.create(agent_id=agent.id)
isolated_blocks = f"/v1/conversations/{conversation.id}/isolated-blocks"
isolated = client.put(f"{isolated_blocks}/human%2Fdiff", cast_to=object)
equal(isolated["label"], "human/diff")
compared = client.get(f"{isolated_blocks}/human%2Fdiff/diff", cast_to=object)
equal((compared["label"], compared["base"]["value"]), ("human/diff", "v"))
passed()
