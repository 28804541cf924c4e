"""Each refusal is the exception its user expects, with words in it."""

import letta_client
from common import MODEL, NOWHERE, WORLD, arrived, connect, equal, isolating, refusal

client = connect()
agent = client.agents.create(model=MODEL, memory_blocks=[{"label": "human", "value": "Ada"}])


def says(error, status, *words):
    equal(error.status_code, status)
    missing = [word for word in words if word not in error.body["detail"]]
    equal((missing, error.body["detail"] if missing else None), ([], None))


missing = f"conv-{NOWHERE}"
error = refusal(letta_client.NotFoundError, client.conversations.retrieve, missing)
says(error, 404, "Conversation not found", missing)
# A stranger's agent is like one that never existed.
for agent_id in (f"agent-{NOWHERE}", WORLD["strangers_agent"]):
    error = refusal(letta_client.NotFoundError, client.agents.retrieve, agent_id)
    says(error, 404, f"Agent with ID {agent_id} not found")
    error = refusal(letta_client.NotFoundError, client.conversations.create, agent_id=agent_id)
    says(error, 404, "Agent not found")

labels = isolating("human", "nolabel")
error = refusal(
    letta_client.BadRequestError, client.conversations.create, agent_id=agent.id, **labels
)
says(error, 400, "INVALID_ARGUMENT: ", "'nolabel'", agent.id)
equal(client.conversations.list(agent_id=agent.id), [])
error = refusal(letta_client.BadRequestError, client.agents.create, model="no-slash")
says(error, 400, "INVALID_ARGUMENT: ", "provider/model-name")
error = refusal(letta_client.BadRequestError, client.runs.retrieve, "nope")
says(error, 400, "INVALID_ARGUMENT: Invalid run ID format")

error = refusal(letta_client.UnprocessableEntityError, client.conversations.retrieve, "nope")
says(error, 422, "conversation_id", "conv-<uuid4>")
error = refusal(letta_client.UnprocessableEntityError, client.blocks.create, label="human", value=5)
says(error, 422, "value", "expected a string, got 5")
error = refusal(
    letta_client.UnprocessableEntityError, client.blocks.create, label="x", value="abc", limit=2
)
says(error, 422, "at most 2 characters")

rival = client.blocks.create(label="human", value="Grace")
error = refusal(
    letta_client.ConflictError, client.agents.blocks.attach, rival.id, agent_id=agent.id
)
says(error, 409, agent.id, "'human'")

for key in ("nope", WORLD["key"][:-1], ""):
    stranger = connect(key or "ic-")
    error = refusal(letta_client.AuthenticationError, stranger.agents.list)
    says(error, 401, "Unauthorized")
reader = connect(WORLD["read_key"])
equal([a.id for a in reader.agents.list()], [agent.id])
error = refusal(letta_client.PermissionDeniedError, reader.agents.delete, agent.id)
says(error, 403, "read")
equal([a.id for a in client.agents.list()], [agent.id])
arrived()
