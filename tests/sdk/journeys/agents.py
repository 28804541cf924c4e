"""Create, retrieve, list, update and delete agents, with and without relations."""

from common import MODEL, WORLD, connect, equal, expect_error, passed
from letta_client import NotFoundError

client = connect()
made = client.agents.create(
    name="Helper",
    description="helps",
    system="You are terse.",
    model=MODEL,
    embedding="openai/text-embedding-3-small",
    context_window_limit=4000,
    timezone="Europe/Lisbon",
    tags=["a", "b"],
    metadata={"k": "v"},
    memory_blocks=[{"label": "human", "value": "Ada", "limit": 100, "description": "who"}],
)
equal((made.name, made.description, made.system), ("Helper", "helps", "You are terse."))
equal((made.model, made.embedding), (MODEL, "openai/text-embedding-3-small"))
equal((made.agent_type, made.timezone), ("letta_v1_agent", "Europe/Lisbon"))
equal(made.llm_config.context_window, 4000)
equal(([*made.tags], made.metadata), (["a", "b"], {"k": "v"}))
equal(
    [(b.label, b.value, b.limit, b.description) for b in made.blocks],
    [("human", "Ada", 100, "who")],
)
names = [tool.name for tool in made.tools]
equal(names, ["conversation_search", "memory_insert", "memory_replace"])
equal(made.created_by_id, WORLD["user_id"])
equal(len(made.message_ids), 1)
[system] = client.messages.retrieve(made.message_ids[0])
equal((system.message_type, system.content.startswith("You are terse.")), ("system_message", True))

# Since 1.0, the client requests relations by name.
bare = client.agents.retrieve(made.id)
equal((bare.blocks, bare.tools, bare.tags), ([], [], []))
full = client.agents.retrieve(made.id, include=["agent.blocks", "agent.tags"])
equal(([b.label for b in full.blocks], full.tags, full.tools), (["human"], ["a", "b"], []))

other = client.agents.create(name="Other", model=MODEL, include_base_tools=False, tags=["b"])
equal((other.tools, other.blocks, other.description), ([], [], None))
third = client.agents.create(model=MODEL)
equal(bool(third.name), True)

equal([a.id for a in client.agents.list()], [third.id, other.id, made.id])
equal([a.id for a in client.agents.list(limit=1, order="asc")], [made.id, other.id, third.id])
equal([a.id for a in client.agents.list(name="Other")], [other.id])
equal([a.id for a in client.agents.list(query_text="help")], [made.id])
equal([a.id for a in client.agents.list(tags=["b"])], [other.id, made.id])
equal([a.id for a in client.agents.list(tags=["a", "b"], match_all_tags=True)], [made.id])
[listed] = client.agents.list(name="Helper", include=["agent.blocks"])
equal(([b.value for b in listed.blocks], listed.tags), (["Ada"], []))
equal(client.get("/v1/agents/count", cast_to=int), 3)
equal(list(client.tags.list()), ["a", "b"])

changed = client.agents.update(
    made.id, name="New name", system="You are kind.", tags=["c"], metadata={}
)
equal((changed.name, changed.system, changed.tags), ("New name", "You are kind.", ["c"]))
equal((changed.metadata, changed.description), ({}, "helps"))
equal(changed.message_ids, made.message_ids)
[system] = client.messages.retrieve(made.message_ids[0])
equal(system.content.startswith("You are kind."), True)
block = client.blocks.create(label="org", value="ACME")
replaced = client.agents.update(made.id, block_ids=[block.id])
equal([b.id for b in replaced.blocks], [block.id])
equal(client.agents.update(made.id, model="openai/gpt-4o").model, "openai/gpt-4o")

conversation = client.conversations.create(agent_id=other.id)
client.agents.delete(other.id)
expect_error(NotFoundError, client.agents.retrieve, other.id)
expect_error(NotFoundError, client.conversations.retrieve, conversation.id)
equal([a.id for a in client.agents.list()], [third.id, made.id])
passed()
