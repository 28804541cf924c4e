"""A fork continues a conversation with copies of its isolated blocks."""

from common import MODEL, connect, context_of, equal, isolating, passed

client = connect()
agent = client.agents.create(model=MODEL, memory_blocks=[{"label": "human", "value": "Ada"}])
source = client.conversations.create(agent_id=agent.id, summary="A", **isolating("human"))
[isolated_id] = source.isolated_block_ids
client.blocks.update(isolated_id, value="Grace")

fork = client.conversations.fork(source.id)

equal((fork.agent_id, fork.summary), (agent.id, None))
[copy_id] = fork.isolated_block_ids
equal(copy_id == isolated_id, False)
equal(client.blocks.retrieve(copy_id).value, "Grace")
equal("Grace" in context_of(client, agent.id, fork.id)["core_memory"], True)
client.blocks.update(copy_id, value="Edsger")
equal(client.blocks.retrieve(isolated_id).value, "Grace")

own = client.conversations.fork("default", agent_id=agent.id)
equal((own.agent_id, own.isolated_block_ids), (agent.id, []))
passed()
