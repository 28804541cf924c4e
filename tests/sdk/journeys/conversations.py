"""List, retrieve, update, recompile and delete conversations."""

from datetime import timedelta

from common import MODEL, WORLD, connect, equal, expect_error, isolating, passed, prompt_of
from letta_client import NotFoundError

client = connect()
agent = client.agents.create(
    model=MODEL,
    memory_blocks=[{"label": "human", "value": "Ada"}, {"label": "persona", "value": "brief"}],
)
first = client.conversations.create(agent_id=agent.id, summary="First talk")
second = client.conversations.create(agent_id=agent.id, **isolating("persona", "human"))
third = client.conversations.create(agent_id=agent.id, model="openai/gpt-4o")

equal((first.agent_id, first.summary, first.model), (agent.id, "First talk", None))
equal((third.summary, third.model), (None, "openai/gpt-4o"))
equal(first.created_by_id, WORLD["user_id"])
equal(first.created_at.utcoffset(), timedelta(0))
# In the order of the given labels.
values = [client.blocks.retrieve(block_id).value for block_id in second.isolated_block_ids]
equal(values, ["brief", "Ada"])

got = client.conversations.retrieve(second.id)
equal((got.id, got.isolated_block_ids), (second.id, second.isolated_block_ids))
equal(len(got.in_context_message_ids), 1)
equal([c.id for c in client.conversations.list(agent_id=agent.id)], [third.id, second.id, first.id])
rising = client.conversations.list(agent_id=agent.id, order="asc", limit=2)
equal([c.id for c in rising], [first.id, second.id])
rest = client.conversations.list(agent_id=agent.id, order="asc", limit=2, after=second.id)
equal([c.id for c in rest], [third.id])
found = client.conversations.list(agent_id=agent.id, summary_search="FIRST")
equal([c.id for c in found], [first.id])

renamed = client.conversations.update(first.id, summary="Renamed")
equal((renamed.id, renamed.summary), (first.id, "Renamed"))
equal(renamed.updated_at > first.updated_at, True)
cleared = client.conversations.update(first.id, extra_body={"summary": None})
equal(cleared.summary, None)
equal(client.conversations.retrieve(first.id).summary, None)
equal(client.conversations.update(third.id, extra_body={"model": None}).model, None)

[isolated_persona, isolated_human] = second.isolated_block_ids
client.blocks.update(isolated_human, value="Grace")
preview = prompt_of(client.conversations.recompile(second.id, dry_run=True))
equal(("Grace" in preview, "Ada" in preview), (True, False))
[system] = client.conversations.messages.list(second.id)
equal("Grace" in system.content, False)
prompt = prompt_of(client.conversations.recompile(second.id))
[system] = client.conversations.messages.list(second.id)
equal(system.content, prompt)
equal(("Grace" in prompt, second.id in prompt), (True, True))

client.conversations.delete(second.id)
expect_error(NotFoundError, client.conversations.retrieve, second.id)
expect_error(NotFoundError, client.blocks.retrieve, isolated_human)
expect_error(NotFoundError, client.conversations.delete, second.id)
equal([c.id for c in client.conversations.list(agent_id=agent.id)], [third.id, first.id])
passed()
