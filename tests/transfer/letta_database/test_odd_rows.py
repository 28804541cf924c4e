"""Rows that V1's schema allows, and that no V1 of ours has shown: each comes or is named."""

import json

import pytest
from django.core.management import CommandError, call_command

from conversations.ids import new_id
from conversations.models import Agent, Block, Conversation, IsolatedBlock, Message, Run, Step

from .v1 import ORGANIZATION

pytestmark = pytest.mark.django_db


def test_all_that_may_be_empty_is_empty(v1, bring):
    agent = v1.agent()
    v1.block("human", "Ada", agent=agent)
    thread = v1.thread(agent, "hello")
    v1.isolate(thread, "human", "Bob")
    run = v1.turn(agent)
    step = v1.step(run, organization_id=ORGANIZATION)
    v1.message(agent, "own", run_id=run, step_id=step)
    links = ("conversation_id", "run_id", "step_id")
    for table, column in v1.run(
        "SELECT table_name, column_name FROM information_schema.columns "
        "WHERE table_schema = current_schema() AND is_nullable = 'YES'"
    ):
        if column not in links:
            v1.run(f'UPDATE {table} SET "{column}" = NULL')

    bring()

    assert Agent.objects.get().blocks.get().value == "Ada"
    isolation = IsolatedBlock.objects.get()
    assert (isolation.conversation_id, isolation.block.value) == (thread, "Bob")


def test_what_was_deleted_at_an_unknown_time_is_deleted(v1, bring):
    agent = v1.agent()
    v1.block("human", "Ada", agent=agent)
    v1.thread(agent, "hello")
    for table in ("agents", "block", "conversations"):
        v1.run(f"UPDATE {table} SET is_deleted = true, updated_at = NULL")

    bring("--deleted")

    assert Agent.objects.get().deleted_at
    assert Block.objects.get().deleted_at
    assert Conversation.objects.get(is_default=False).deleted_at


def test_a_message_whose_place_was_deleted_is_kept_out_of_context(v1, bring):
    agent = v1.agent()
    thread = v1.thread(agent, "hello")
    v1.run("UPDATE conversation_messages SET is_deleted = true WHERE position = 1")

    bring()

    links = Conversation.objects.get(pk=thread).message_links.order_by("position")
    assert [(link.message.text, link.in_context) for link in links][1:] == [("hello", False)]


def test_numbers_of_any_size_come_and_compare(v1, bring):
    agent = v1.agent(metadata_={"big": 2**70})
    v1.thread(agent, "hello")
    v1.message(agent, "x", tool_returns=[{"big": 10**30}])

    bring()

    assert Agent.objects.get().metadata == {"big": 2**70}


def test_rows_that_name_another_organization_than_their_agent_are_its_own(v1, bring):
    other = v1.insert("organizations", id=new_id("org"), name="Other")
    agent = v1.agent()
    v1.block("human", "Ada", agent=agent)
    thread = v1.thread(agent, "hello", organization_id=other)
    v1.isolate(thread, "human", "Bob", organization_id=other)
    v1.message(agent, "own", organization_id=other)
    run = v1.turn(agent, organization_id=other)
    v1.step(run, organization_id=other)

    bring("--organization", "Acme")

    for model in (Conversation, Block, Message, Run, Step):
        assert {row.organization_id for row in model.objects.all()} == {ORGANIZATION}
    assert IsolatedBlock.objects.get().conversation_id == thread


def test_a_block_of_another_organization_is_named(v1, bring):
    other = v1.insert("organizations", id=new_id("org"), name="Other")
    agent = v1.agent()
    block = v1.block("human", "Ada", agent=agent, organization_id=other)

    told = bring()

    assert f"{block}: is of {other}, so it is not attached to {agent}" in told


def test_messages_of_no_conversation_of_their_agent_are_kept_aside(v1, bring, tmp_path):
    agent, stranger = v1.agent(), v1.agent()
    theirs = v1.thread(stranger, "hello")
    gone = v1.thread(agent, "gone")
    v1.run("UPDATE conversations SET is_deleted = true WHERE id = %s", gone)
    v1.message(agent, "astray", conversation=theirs)
    path = tmp_path / "rest.jsonl"

    bring("--sidecar", str(path))

    rows = [json.loads(line) for line in path.read_text().splitlines()]
    texts = [each["row"]["content"][0]["text"] for each in rows if each["table"] == "messages"]
    assert sorted(texts) == ["Old prompt", "astray", "gone"]


def test_settings_that_fit_no_column_are_named(v1):
    agent = v1.agent(embedding_config={"handle": "x" * 300})

    with pytest.raises(CommandError) as refused:
        call_command("import_letta", "--from", v1.url)

    assert str(refused.value).startswith(f"agents {agent}: embedding_config has a handle")


def test_a_sidecar_keeps_rows_as_they_were_for_its_owner_alone(v1, bring, tmp_path):
    agent = v1.agent()
    v1.run("UPDATE agents SET message_ids = NULL, tool_rules = %s", f'[\n{{"n": {10**30}.50}}]')
    path = tmp_path / "rest.jsonl"
    path.write_text("earlier")
    path.chmod(0o644)

    bring("--sidecar", str(path))

    assert path.stat().st_mode & 0o777 == 0o600
    [line] = path.read_text().splitlines()
    assert f'{{"n": {10**30}.50}}' in line
    assert json.loads(line)["row"]["id"] == agent


def test_a_sidecar_does_not_follow_a_link(v1, tmp_path):
    victim, link = tmp_path / "victim", tmp_path / "link"
    victim.write_text("mine")
    link.symlink_to(victim)

    with pytest.raises(CommandError, match="--sidecar: can't write"):
        call_command("import_letta", "--from", v1.url, "--sidecar", str(link))

    assert victim.read_text() == "mine"
