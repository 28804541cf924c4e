"""The main task: one agent, two conversations, one of which isolates `human`."""

from common import MODEL, connect, context_of, equal, isolating, passed

client = connect()
agent = client.agents.create(
    name="Helper",
    model=MODEL,
    memory_blocks=[
        {"label": "human", "value": "Nobody in particular"},
        {"label": "persona", "value": "I am patient"},
    ],
)
human, persona = agent.blocks

plain = client.conversations.create(agent_id=agent.id)
own = client.conversations.create(agent_id=agent.id, summary="With Ada", **isolating("human"))
equal(plain.isolated_block_ids, [])
equal(len(own.isolated_block_ids), 1)
[isolated_id] = own.isolated_block_ids
isolated = client.blocks.retrieve(isolated_id)
equal((isolated.label, isolated.value), ("human", "Nobody in particular"))

client.blocks.update(isolated_id, value="Ada, who likes tea")

equal(client.blocks.retrieve(isolated_id).value, "Ada, who likes tea")
equal(client.blocks.retrieve(human.id).value, "Nobody in particular")
in_own = context_of(client, agent.id, own.id)
in_plain = context_of(client, agent.id, plain.id)
equal("Ada, who likes tea" in in_own["core_memory"], True)
equal("Nobody in particular" in in_own["core_memory"], False)
equal("Ada, who likes tea" in in_plain["core_memory"], False)
equal("Nobody in particular" in in_plain["core_memory"], True)
# The model reads the system message.
[shown] = in_own["messages"][0]["content"]
equal("Ada, who likes tea" in shown["text"], True)
for window in (in_own, in_plain):
    equal("I am patient" in window["core_memory"], True)

# An edit of the shared block changes both.
client.blocks.update(persona.id, value="I am brief")
for conversation in (own, plain):
    equal("I am brief" in context_of(client, agent.id, conversation.id)["core_memory"], True)

equal(client.conversations.retrieve(own.id).isolated_block_ids, [isolated_id])
equal([block.id for block in client.blocks.list()], [human.id, persona.id])
passed()
