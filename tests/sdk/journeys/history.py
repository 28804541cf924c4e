"""List messages and runs; world.py created nine messages and two runs."""

from common import WORLD, connect, equal, passed

client = connect()
agent_id, conversation_id = WORLD["agent"], WORLD["conversation"]
ids, own_ids, run_ids = WORLD["message_ids"], WORLD["own_message_ids"], WORLD["run_ids"]

# Pages of two return each of the ten once, newest first by default.
messages = list(client.conversations.messages.list(conversation_id, limit=2))
equal([message.id for message in messages], ids[::-1])
rising = list(client.conversations.messages.list(conversation_id, limit=2, order="asc"))
equal([message.id for message in rising], ids)
equal([message.content for message in rising[1:]], WORLD["texts"])
kinds = [message.message_type for message in rising]
equal(kinds, ["system_message", *["user_message", "assistant_message"] * 4, "user_message"])
page = client.conversations.messages.list(conversation_id, limit=2, before=ids[5])
equal([message.id for message in page.items], [ids[7], ids[6]])
page = client.conversations.messages.list(conversation_id, limit=2, before=ids[5], order="asc")
equal([message.id for message in page.items], [ids[3], ids[4]])
equal(client.conversations.retrieve(conversation_id).in_context_message_ids, ids)

every = [message.id for message in client.agents.messages.list(agent_id, limit=3, order="asc")]
equal(sorted(every), sorted([*ids, *own_ids]))
# As in V1: the newest ones, oldest of them first; `before` leads to older ones.
newest = client.agents.messages.list(agent_id, conversation_id=conversation_id, limit=3)
equal([message.id for message in newest.items], ids[-3:])
older = client.agents.messages.list(
    agent_id, conversation_id=conversation_id, limit=2, before=ids[-3]
)
equal([message.id for message in older.items], ids[-5:-3])
own = client.agents.messages.list(agent_id, conversation_id="default", order="asc")
equal([message.id for message in own], own_ids)
own = client.conversations.messages.list("default", agent_id=agent_id, order="asc")
equal([message.id for message in own], own_ids)
equal(client.agents.retrieve(agent_id).message_ids, own_ids)

newest = client.messages.list(conversation_id=conversation_id, limit=2)
equal([message.id for message in newest], [ids[8], ids[9]])
[message] = client.messages.retrieve(ids[2])
equal((message.message_type, message.content), ("assistant_message", "message 2"))

completed, running = run_ids
equal([run.id for run in client.runs.list(agent_id=agent_id)], [running, completed])
equal([run.id for run in client.runs.list(agent_id=agent_id, limit=1, order="asc")], run_ids)
equal([run.id for run in client.runs.list(conversation_id=conversation_id, active=True)], [running])
equal([run.id for run in client.runs.list(statuses=["completed"])], [completed])
equal([run.id for run in client.runs.list(background=True)], [running])
run = client.runs.retrieve(completed)
equal((run.status, run.stop_reason, run.background), ("completed", "end_turn", False))
equal((run.agent_id, run.conversation_id), (agent_id, conversation_id))
passed()
