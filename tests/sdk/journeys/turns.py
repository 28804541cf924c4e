"""Turns: with and without streaming, tools, resuming, cancelling, conflicts."""

import threading

from common import MODEL, connect, equal, expect_error, isolating, passed, until
from letta_client import ConflictError

client = connect()
agent = client.agents.create(
    name="Helper", model=MODEL, memory_blocks=[{"label": "human", "value": "Nobody yet"}]
)
conversation = client.conversations.create(agent_id=agent.id, **isolating("human"))
messages = client.conversations.messages


def user(text, **fields):
    return [{"role": "user", "content": text, **fields}]


def said(events):
    return "".join(e.content for e in events if e.message_type == "assistant_message")


# Without streaming. Older clients send `streaming` although their types lack it.
answer = messages.create(conversation.id, messages=user("SAY hello"), streaming=False)
whole = answer if hasattr(answer, "messages") else None
if whole is not None:
    equal([(m.message_type, m.content) for m in whole.messages], [("assistant_message", "hello")])
    equal(whole.stop_reason.stop_reason, "end_turn")
    equal(whole.usage.step_count, 1)

# Streaming by messages and by tokens.
events = list(messages.create(conversation.id, messages=user("SAY one two")))
equal(
    [event.message_type for event in events],
    ["ping", "assistant_message", "stop_reason", "usage_statistics"],
)
text = 'CALL memory_insert {"label": "human", "new_string": "likes tea"}\nSAY noted'
events = list(messages.create(conversation.id, messages=user(text), stream_tokens=True))
calls = [event for event in events if event.message_type == "tool_call_message"]
equal("".join(event.tool_call.arguments or "" for event in calls), text[19:-10])
[returned] = [event for event in events if event.message_type == "tool_return_message"]
equal((returned.status, returned.tool_return), ("success", "Nobody yet\nlikes tea"))
equal(said(events), "noted")
equal(client.blocks.retrieve(conversation.isolated_block_ids[0]).value, "Nobody yet\nlikes tea")
equal(client.blocks.retrieve(agent.blocks[0].id).value, "Nobody yet")

# The listed messages equal the streamed ones.
run_id = events[0].run_id
listed = list(client.runs.messages.list(run_id, order="asc"))
equal(
    [message.message_type for message in listed],
    ["user_message", "tool_call_message", "tool_return_message", "assistant_message"],
)
equal(client.runs.retrieve(run_id).status, "completed")
equal(client.runs.usage.retrieve(run_id).total_tokens > 0, True)
equal(len(list(client.runs.steps.list(run_id))), 2)
steps = list(client.steps.list(agent_id=agent.id, limit=2))
equal([step.run_id for step in steps][:2], [run_id, run_id])

# A provider error in a stream raises an exception in the client, as with V1.
try:
    list(messages.create(conversation.id, messages=user("FAIL 400")))
except Exception as error:
    equal("An error occurred" in str(error) or "invalid" in str(error), True)
else:
    raise AssertionError("the stream raised no exception")

# Close a stream and resume it.
slow = "PAUSE 0.2\nSAY a b c d e f g h"
stream = messages.create(conversation.id, messages=user(slow), stream_tokens=True, background=True)
seen = []
for event in stream:
    seen.append(event)
    if len(seen) == 3:
        break
stream.close()
rest = list(messages.stream(conversation.id, starting_after=seen[-1].seq_id))
equal(said([*seen, *rest]), "a b c d e f g h")

# A second message during a turn conflicts and names the active run.
outcome = []
thread = threading.Thread(
    target=lambda: outcome.extend(messages.create(conversation.id, messages=user("SLEEP 1\nSAY x")))
)
thread.start()
until(lambda: outcome)  # A stream starts with a ping.
error = expect_error(ConflictError, messages.create, conversation.id, messages=user("SAY y"))
thread.join()
equal(said(outcome), "x")
equal(error.body["run_id"], outcome[0].run_id)

# Cancel a turn.
thread = threading.Thread(
    target=lambda: outcome.extend(messages.create(conversation.id, messages=user("SLEEP 9\nSAY z")))
)
outcome.clear()
thread.start()
until(lambda: outcome)
cancelled = client.conversations.cancel(conversation.id)
thread.join()
equal(set(dict(cancelled).values()), {"cancelled"})
equal(outcome[-1].stop_reason, "cancelled")

# The default conversation: without streaming, with streaming, in the background.
own = client.agents.messages
equal(own.create(agent.id, messages=user("SAY own")).messages[0].content, "own")
equal(said(list(own.stream(agent.id, messages=user("SAY own stream")))), "own stream")
equal(said(list(own.create(agent.id, messages=user("SAY s"), streaming=True))), "s")
run = own.create_async(agent.id, messages=user("SAY later"))
equal(said(list(client.runs.messages.stream(run.id))), "later")
equal(client.runs.retrieve(run.id).status, "completed")

own.reset(agent.id, add_default_initial_messages=False)
equal([m.message_type for m in own.list(agent.id, conversation_id="default")], ["system_message"])

# Compact; search finds messages that are no longer in context.
compacted = messages.compact(conversation.id, compaction_settings={"mode": "all", "model": MODEL})
equal(compacted.num_messages_after, 2)
found = client.messages.search(query="likes tea", conversation_id=conversation.id)
equal(found[0].message_type, "user_message")
equal("likes tea" in found[0].content, True)

passed()
