"""Each error is the documented exception with an explanation in `detail`."""

import letta_client
from common import MODEL, NOWHERE, WORLD, connect, equal, expect_error, isolating, passed

client = connect()
agent = client.agents.create(model=MODEL, memory_blocks=[{"label": "human", "value": "Ada"}])


def check(error, status, *words):
    equal(error.status_code, status)
    missing = [word for word in words if word not in error.body["detail"]]
    equal((missing, error.body["detail"] if missing else None), ([], None))


missing = f"conv-{NOWHERE}"
error = expect_error(letta_client.NotFoundError, client.conversations.retrieve, missing)
check(error, 404, "Conversation not found", missing)
# An agent of another organization behaves as one that does not exist.
for agent_id in (f"agent-{NOWHERE}", WORLD["strangers_agent"]):
    error = expect_error(letta_client.NotFoundError, client.agents.retrieve, agent_id)
    check(error, 404, f"Agent with ID {agent_id} not found")
    error = expect_error(letta_client.NotFoundError, client.conversations.create, agent_id=agent_id)
    check(error, 404, "Agent not found")

labels = isolating("human", "nolabel")
error = expect_error(
    letta_client.BadRequestError, client.conversations.create, agent_id=agent.id, **labels
)
check(error, 400, "INVALID_ARGUMENT: ", "'nolabel'", agent.id)
equal(client.conversations.list(agent_id=agent.id), [])
error = expect_error(letta_client.BadRequestError, client.agents.create, model="no-slash")
check(error, 400, "INVALID_ARGUMENT: ", "provider/model-name")
error = expect_error(letta_client.BadRequestError, client.runs.retrieve, "nope")
check(error, 400, "INVALID_ARGUMENT: Invalid run ID format")

error = expect_error(letta_client.UnprocessableEntityError, client.conversations.retrieve, "nope")
check(error, 422, "conversation_id", "conv-<uuid4>")
error = expect_error(
    letta_client.UnprocessableEntityError, client.blocks.create, label="human", value=5
)
check(error, 422, "value", "expected a string, got 5")
error = expect_error(
    letta_client.UnprocessableEntityError, client.blocks.create, label="x", value="abc", limit=2
)
check(error, 422, "at most 2 characters")

rival = client.blocks.create(label="human", value="Grace")
error = expect_error(
    letta_client.ConflictError, client.agents.blocks.attach, rival.id, agent_id=agent.id
)
check(error, 409, agent.id, "'human'")

for key in ("nope", WORLD["key"][:-1], ""):
    stranger = connect(key or "ic-")
    error = expect_error(letta_client.AuthenticationError, stranger.agents.list)
    check(error, 401, "Unauthorized")
reader = connect(WORLD["read_key"])
equal([a.id for a in reader.agents.list()], [agent.id])
error = expect_error(letta_client.PermissionDeniedError, reader.agents.delete, agent.id)
check(error, 403, "read")
equal([a.id for a in client.agents.list()], [agent.id])
passed()
