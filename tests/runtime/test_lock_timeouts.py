"""A turn outlasts a lock on what its tools edit."""

import pytest
from django.db import transaction

from conversations.domain.conversations.accounts import issue_key
from conversations.domain.tools.definitions import BASE_TOOLS
from conversations.models import Block, Conversation

from ..factories import make_agent
from ..script import call, say, script
from .processes import post, until, web_server
from .streams import texts


@pytest.mark.postgres_only
def test_locked_block_delays_the_step_that_edits_it(alice, model):
    agent = make_agent(alice, labels=["human"], tools=BASE_TOOLS)
    own = Conversation.objects.get(agent=agent, is_default=True)
    _, secret = issue_key(alice)
    text = script(call("memory_insert", label="human", new_string="tall"), say("done"))
    with web_server(model, DATABASE_LOCK_TIMEOUT="0.2") as (server, url):
        with transaction.atomic():
            Block.objects.select_for_update().get(label="human")
            run = post(url, secret, f"agents/{agent.pk}/messages/async", {"input": text}).json()
            until(
                lambda: any("not available; retrying" in line for line in server.lines),
                seconds=60,
                what="the lock timeout strikes",
            )
        until(lambda: own.runs.get().completed_at, seconds=60, what="the turn ends")

    assert own.runs.get(pk=run["id"]).status == "completed"
    assert Block.objects.get(label="human").value == "about human\ntall"
    assert [role for role, _ in texts(own)] == ["user", "assistant", "tool", "assistant"]
    assert len(model.requests) == 2
