"""The query count of the console's own pages does not depend on the number of rows."""

import pytest
from django.contrib.contenttypes.models import ContentType
from django.urls import reverse

from conversations.domain.memory.blocks import write_block
from conversations.models import Conversation

from ..factories import actor, make_agent, make_conversation, make_messages, make_run

# The session, the user, the member, permissions (2) and the row; for a conversation also its
# agent and the labels it isolated. Then the queries that the comment names.
QUERIES = {
    ("conversation", "timeline"): 10,  # the messages, the changes
    (
        "conversation",
        "context",
    ): 14,  # the effective blocks (2), the messages and their counts, the tools
    ("conversation", "promote"): 19,  # the comparison, the dry run in a transaction; the readers
    ("conversation", "rebase"): 11,  # the comparison
    ("conversation", "fork"): 8,
    ("agent", "change"): 13,  # the blocks, tools, variables, conversations; the rows of the details
    ("agent", "drift"): 8,  # one for all labels and drifts
    ("agent", "bulk"): 18,  # a batch of conversations at a time
    (
        "block",
        "change",
    ): 14,  # the revisions, the moves, the readers, the rows that the details name
    ("block", "revisions"): 7,
}


@pytest.mark.parametrize("count", [1, 5])
@pytest.mark.parametrize(("model", "name"), QUERIES)
def test_page_query_count_is_constant(
    model, name, count, alice, browser_of, django_assert_num_queries
):
    labels = [f"label{n}" for n in range(count)]
    agent = make_agent(alice, labels=labels)
    conversations = [make_conversation(agent, isolated=labels) for _ in range(count)]
    conversation = conversations[0]
    for number in range(count):
        make_messages(conversation, "hello")
        make_run(conversation, status="completed")
        for label in labels:
            block = conversation.isolations.get(label=label).block
            write_block(block, by=actor(alice), value=f"own {number}")
    row = {
        "conversation": conversation,
        "agent": agent,
        "block": agent.blocks.get(label="label0"),
    }[model]
    browser = browser_of(alice)
    ContentType.objects.get_for_model(type(row))
    url = reverse(f"admin:conversations_{model}_{name}", args=[row.pk])

    with django_assert_num_queries(QUERIES[model, name]):
        reply = browser.get(f"{url}?label=label0&verb=reset")

    assert reply.status_code == 200


@pytest.mark.parametrize("count", [1, 5])
def test_index_counts_query_count_is_constant(count, alice, browser_of, django_assert_num_queries):
    for _ in range(count):
        make_conversation(make_agent(alice, labels=["human"]), isolated=["human"])
    browser = browser_of(alice)

    # The session, the user, the member and their permissions (2); conversations, drifts, runs,
    # blocks twice.
    with django_assert_num_queries(10):
        browser.get("/admin/counts/")

    assert Conversation.objects.count() == 2 * count
