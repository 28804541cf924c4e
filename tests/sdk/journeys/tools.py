"""Tools: create, attach, call, approve, constrain, and give them secrets."""

from common import MODEL, connect, equal, expect_error, passed
from letta_client import BadRequestError, NotFoundError

client = connect()
SOURCE = """
def roll_dice(sides: int, times: int = 1) -> str:
    \"\"\"Roll a die.

    Args:
        sides (int): number of sides
        times (int): how often
    \"\"\"
    import os

    return os.environ.get("WORD", "rolled ") + str(sides * times)
"""
tool = client.tools.create(source_code=SOURCE, tags=["dice"])
equal((tool.name, tool.description, tool.tool_type), ("roll_dice", "Roll a die.", "custom"))
equal(tool.json_schema["parameters"]["required"], ["sides"])
equal(client.tools.upsert(source_code=SOURCE).id, tool.id)
equal(client.tools.retrieve(tool.id).tags, ["dice"])
equal([each.id for each in client.tools.list(name="roll_dice")], [tool.id])
equal(client.tools.update(tool.id, return_char_limit=1000).return_char_limit, 1000)
expect_error(BadRequestError, client.tools.create, source_code="x = 1")
expect_error(BadRequestError, client.agents.create, model=MODEL, tools=["no_such_tool"])

agent = client.agents.create(
    name="Roller", model=MODEL, tool_ids=[tool.id], secrets={"WORD": "tide "}
)
equal([each.name for each in agent.tools][-1], "roll_dice")
equal([(each.key, each.value) for each in agent.secrets], [("WORD", "********")])
client.agents.tools.detach(tool.id, agent_id=agent.id)
client.agents.tools.attach(tool.id, agent_id=agent.id)
equal("roll_dice" in [each.name for each in client.agents.tools.list(agent.id)], True)


def send(text):
    return client.agents.messages.create(
        agent.id, messages=[{"role": "user", "content": text}], streaming=False
    )


# A call, its result and the end of the turn.
answer = send('CALL roll_dice {"sides": 6, "times": 2}\nSAY done')
kinds = ["tool_call_message", "tool_return_message", "assistant_message"]
equal([message.message_type for message in answer.messages], kinds)
equal((answer.messages[1].tool_return, answer.messages[1].status), ("tide 12", "success"))
answer = send("CALL roll_dice {}\nSAY done")
equal(answer.messages[1].status, "error")
equal("missing 1 required positional argument" in answer.messages[1].tool_return, True)

# The same as a stream.
stream = client.agents.messages.create(
    agent.id, messages=[{"role": "user", "content": 'CALL roll_dice {"sides": 1}\nSAY ok'}],
    streaming=True,
)  # fmt: skip
seen = [event.message_type for event in stream if event.message_type != "ping"]
equal(seen, [*kinds, "stop_reason", "usage_statistics"])

# Approvals: denied with a reason, then approved.
client.agents.tools.update_approval("roll_dice", agent_id=agent.id, body_requires_approval=True)


def decide(asked, **decision):
    call = asked.messages[-1].tool_call
    approval = {"type": "approval", "tool_call_id": call.tool_call_id, **decision}
    message = {"type": "approval", "approvals": [approval]}
    return client.agents.messages.create(agent.id, messages=[message], streaming=False)


asked = send('CALL roll_dice {"sides": 6}\nSAY fine')
equal(asked.stop_reason.stop_reason, "requires_approval")
equal(asked.messages[-1].message_type, "approval_request_message")
denied = decide(asked, approve=False, reason="too loud")
[returned] = [each for each in denied.messages if each.message_type == "tool_return_message"]
equal(returned.tool_return, "Error: request to call tool denied. User reason: too loud")
approved = decide(send('CALL roll_dice {"sides": 6}\nSAY fine'), approve=True)
[returned] = [each for each in approved.messages if each.message_type == "tool_return_message"]
equal((returned.tool_return, returned.status), ("tide 6", "success"))

# Rules constrain the loop.
changed = client.agents.update(
    agent.id, tool_rules=[{"type": "exit_loop", "tool_name": "roll_dice"}]
)
equal([(rule.type, rule.tool_name) for rule in changed.tool_rules], [("exit_loop", "roll_dice")])
equal(send('CALL roll_dice {"sides": 6}\nSAY never').stop_reason.stop_reason, "tool_rule")

client.tools.delete(tool.id)
expect_error(NotFoundError, client.tools.retrieve, tool.id)
passed()
