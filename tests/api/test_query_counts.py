"""A request runs the same number of queries for one row and for five.

Each count starts with the API key, whose first request also stores its time of use.
"""

import pytest

from conversations.models import Message, Step

from ..factories import make_agent, make_block, make_conversation, make_messages, make_run

KEY = 1


@pytest.fixture
def world(alice, request) -> dict[str, str]:
    """Create `count` rows for each list; agents have two blocks, conversations isolate both."""
    count = request.getfixturevalue("count")
    labels = ["human", "persona"]
    blocks = [make_block(alice, label=label) for label in labels]
    tools = ["memory_insert", "memory_replace"]
    agents = [make_agent(alice, blocks=blocks, tags=["t"], tools=tools) for _ in range(count)]
    conversations = [make_conversation(agents[0], isolated=labels) for _ in range(count)]
    for conversation in conversations:
        make_messages(conversation, *["hello"] * count)
        run = make_run(conversation)
        for number in range(count):
            Step.objects.create(organization_id=run.organization_id, run=run, number=number)
    Message.objects.filter(conversations=conversation).update(run=run)
    return {
        "agent": agents[0].pk,
        "conv": conversations[0].pk,
        "block": blocks[0].pk,
        "run": run.pk,
    }


@pytest.mark.parametrize("count", [1, 5])
@pytest.mark.parametrize(
    ("path", "queries"),
    [
        # The page, its agents, the messages in context, the versions of the blocks.
        ("conversations/", KEY + 4),
        ("conversations/?isolated_label=human&drift=in_sync", KEY + 4),
        # The conversation with its agent, then as above.
        ("conversations/{conv}", KEY + 3),
        # The conversation, the shared blocks, the isolated blocks.
        ("conversations/{conv}/blocks", KEY + 3),
        # The conversation, its isolated blocks, the shared one.
        ("conversations/{conv}/isolated-blocks/human", KEY + 3),
        # The conversation, its isolated blocks.
        ("conversations/{conv}/isolated-blocks/human/released", KEY + 2),
        # The conversation, the periods with their blocks, the revisions at that time.
        ("conversations/{conv}/blocks?at=2100-01-01T00:00:00Z", KEY + 3),
        # The conversation, the page with its messages.
        ("conversations/{conv}/messages", KEY + 2),
        # The page.
        ("blocks/", KEY + 1),
        ("blocks/?connected_to_agents_count_gt=0", KEY + 1),
        ("blocks/count", KEY + 1),
        # The block.
        ("blocks/{block}", KEY + 1),
        # The block, the page.
        ("blocks/{block}/revisions", KEY + 2),
        # The block, both revisions.
        ("blocks/{block}/diff", KEY + 3),
        # The block, the page, its blocks, tools, identities, folders and variables, the messages
        # in context.
        ("blocks/{block}/agents", KEY + 8),
        # The page, its blocks, tools, identities, folders and variables, the messages in context.
        ("agents/", KEY + 7),
        ("agents/?include=agent.tags", KEY + 2),
        ("agents/count", KEY + 1),
        # The agent, its blocks, tools, identities, folders and variables, the messages in context.
        ("agents/{agent}", KEY + 7),
        # The agent, its blocks.
        ("agents/{agent}/core-memory", KEY + 2),
        ("agents/{agent}/core-memory/blocks", KEY + 2),
        ("agents/{agent}/core-memory/blocks/human", KEY + 2),
        # The agent, the page.
        ("agents/{agent}/messages", KEY + 2),
        # The agent, the conversation, the page.
        ("agents/{agent}/messages?conversation_id={conv}", KEY + 3),
        # The agent, the conversation, shared and isolated blocks, the numbers of messages for the
        # prompt and for the response, the messages, the tools.
        ("agents/{agent}/context?conversation_id={conv}", KEY + 8),
        ("messages/", KEY + 1),
        ("runs/", KEY + 1),
        # The run, the page with its messages.
        ("runs/{run}/messages", KEY + 2),
        # The page with its runs and agents, after the run.
        ("runs/{run}/steps", KEY + 2),
        ("steps/", KEY + 1),
        ("tags/", KEY + 1),
    ],
)
def test_read_query_count_does_not_grow(
    client_for, alice, world, django_assert_num_queries, count, path, queries
):
    client, path = client_for(alice), f"/v1/{path.format(**world)}"
    client.get("/v1/agents/count")

    with django_assert_num_queries(queries):
        reply = client.get(path)

    assert reply.status_code == 200


@pytest.mark.parametrize("count", [1, 5])
@pytest.mark.parametrize("path", ["conversations/", "agents/", "blocks/{block}/agents", "runs/"])
def test_lists_contain_a_row_for_each(client_for, alice, world, count, path):
    reply = client_for(alice).get(f"/v1/{path.format(**world)}")

    assert len(reply.json()) == count


@pytest.mark.parametrize("count", [1, 5])
def test_edit_query_count_does_not_grow_with_agents(
    client_for, alice, django_assert_num_queries, count
):
    block = make_block(alice)
    for _ in range(count):
        make_agent(alice, blocks=[block])
    client = client_for(alice)
    client.get("/v1/agents/count")

    # The block; a savepoint (2); the locked block; the characters of memory, which a cache
    # would tell; writes of the block and its revision;
    # the agents; their default conversations with their shared blocks, isolated blocks,
    # message counts and system messages; writes of the conversations and system messages.
    with django_assert_num_queries(KEY + 15):
        reply = client.patch(f"/v1/blocks/{block.pk}", {"value": "changed"})

    assert reply.json()["version"] == 2
