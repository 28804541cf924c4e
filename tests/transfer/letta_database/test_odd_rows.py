"""Rows that V1's schema allows but the recorded database does not have."""

import json

import pytest
from django.core.management import CommandError, call_command

from conversations.ids import new_id
from conversations.models import Agent, Block, Conversation, IsolatedBlock, Message, Run, Step

from ...labels import ODD_LABELS
from .v1 import ORGANIZATION

pytestmark = pytest.mark.django_db


def test_null_in_every_nullable_column_is_imported(v1, import_v1):
    agent = v1.agent()
    v1.block("human", "Ada", agent=agent)
    conversation = v1.conversation(agent, "hello")
    v1.isolate(conversation, "human", "Bob")
    run = v1.run(agent)
    step = v1.step(run, organization_id=ORGANIZATION)
    v1.message(agent, "own", run_id=run, step_id=step)
    links = ("conversation_id", "run_id", "step_id")
    for table, column in v1.execute(
        "SELECT table_name, column_name FROM information_schema.columns "
        "WHERE table_schema = current_schema() AND is_nullable = 'YES'"
    ):
        if column not in links:
            v1.execute(f'UPDATE {table} SET "{column}" = NULL')

    import_v1()

    assert Agent.objects.get().blocks.get().value == "Ada"
    isolation = IsolatedBlock.objects.get()
    assert (isolation.conversation_id, isolation.block.value) == (conversation, "Bob")


def test_odd_labels_are_imported_unchanged(v1, import_v1):
    labels = ["", *ODD_LABELS]
    agent = v1.agent()
    for label in labels:
        v1.block(label, "shared", agent=agent)
    conversation = v1.conversation(agent, "hello")
    for label in labels:
        v1.isolate(conversation, label, "own")

    for _ in range(2):
        import_v1()

    attached = Agent.objects.get().block_links.in_prompt_order()
    assert [link.label for link in attached] == labels
    isolations = IsolatedBlock.objects.select_related("block")
    assert {row.label: row.block.value for row in isolations} == dict.fromkeys(labels, "own")


def test_too_long_label_is_shortened_the_same_way_everywhere(v1, import_v1):
    agent = v1.agent()
    long, longer = "x" * 201, "x" * 3000
    block = v1.block(long, "shared", agent=agent)
    v1.block(longer, "other", agent=agent)
    conversation = v1.conversation(agent, "hello")
    v1.isolate(conversation, long, "own")

    output = import_v1()
    import_v1()

    [first, second] = Agent.objects.get().block_links.in_prompt_order()
    assert first.label != second.label
    assert first.label[:150] == second.label[:150] == "x" * 150
    assert IsolatedBlock.objects.get().label == first.label
    assert IsolatedBlock.objects.get().source_block_id == block
    assert f"{block}: the label has 201 characters; imported as {first.label!r}" in output


def test_deleted_without_a_time_is_imported_as_deleted(v1, import_v1):
    agent = v1.agent()
    v1.block("human", "Ada", agent=agent)
    v1.conversation(agent, "hello")
    for table in ("agents", "block", "conversations"):
        v1.execute(f"UPDATE {table} SET is_deleted = true, updated_at = NULL")

    import_v1("--deleted")

    assert Agent.objects.get().deleted_at
    assert Block.objects.get().deleted_at
    assert Conversation.objects.get(is_default=False).deleted_at


def test_message_with_deleted_position_is_out_of_context(v1, import_v1):
    agent = v1.agent()
    conversation = v1.conversation(agent, "hello")
    v1.execute("UPDATE conversation_messages SET is_deleted = true WHERE position = 1")

    import_v1()

    links = Conversation.objects.get(pk=conversation).message_links.order_by("position")
    assert [(link.message.text, link.in_context) for link in links][1:] == [("hello", False)]


def test_large_integers_are_imported_exactly(v1, import_v1):
    agent = v1.agent(metadata_={"big": 2**70})
    v1.conversation(agent, "hello")
    v1.message(agent, "x", tool_returns=[{"big": 10**30}])

    import_v1()

    assert Agent.objects.get().metadata == {"big": 2**70}


def test_rows_follow_the_organization_of_their_agent(v1, import_v1):
    other = v1.insert("organizations", id=new_id("org"), name="Other")
    agent = v1.agent()
    v1.block("human", "Ada", agent=agent)
    conversation = v1.conversation(agent, "hello", organization_id=other)
    v1.isolate(conversation, "human", "Bob", organization_id=other)
    v1.message(agent, "own", organization_id=other)
    run = v1.run(agent, organization_id=other)
    v1.step(run, organization_id=other)

    import_v1("--organization", "Acme")

    for model in (Conversation, Block, Message, Run, Step):
        assert {row.organization_id for row in model.objects.all()} == {ORGANIZATION}
    assert IsolatedBlock.objects.get().conversation_id == conversation


def test_block_of_another_organization_is_not_attached(v1, import_v1):
    other = v1.insert("organizations", id=new_id("org"), name="Other")
    agent = v1.agent()
    block = v1.block("human", "Ada", agent=agent, organization_id=other)

    output = import_v1()

    assert f"{block}: belongs to {other}; not attached to {agent}" in output


def test_sidecar_has_messages_of_no_imported_conversation(v1, import_v1, tmp_path):
    agent, stranger = v1.agent(), v1.agent()
    theirs = v1.conversation(stranger, "hello")
    gone = v1.conversation(agent, "gone")
    v1.execute("UPDATE conversations SET is_deleted = true WHERE id = %s", gone)
    v1.message(agent, "astray", conversation=theirs)
    path = tmp_path / "rest.jsonl"

    import_v1("--sidecar", str(path))

    rows = [json.loads(line) for line in path.read_text().splitlines()]
    texts = [each["row"]["content"][0]["text"] for each in rows if each["table"] == "messages"]
    assert sorted(texts) == ["Old prompt", "astray", "gone"]


def test_sidecar_keeps_json_verbatim_and_is_private(v1, import_v1, tmp_path):
    agent = v1.agent()
    v1.execute("UPDATE agents SET message_ids = NULL, tool_rules = %s", f'[\n{{"n": {10**30}.50}}]')
    path = tmp_path / "rest.jsonl"
    path.write_text("earlier")
    path.chmod(0o644)

    import_v1("--sidecar", str(path))

    assert path.stat().st_mode & 0o777 == 0o600
    [line] = path.read_text().splitlines()
    assert f'{{"n": {10**30}.50}}' in line
    assert json.loads(line)["row"]["id"] == agent


def test_sidecar_does_not_follow_a_symlink(v1, tmp_path):
    victim, link = tmp_path / "victim", tmp_path / "link"
    victim.write_text("mine")
    link.symlink_to(victim)

    with pytest.raises(CommandError, match="--sidecar: can't write"):
        call_command("import_letta", "--from", v1.url, "--sidecar", str(link))

    assert victim.read_text() == "mine"


def test_decisions_and_feedback_are_imported(v1, import_v1, tmp_path):
    agent = v1.agent()
    decision = {"type": "approval", "tool_call_id": "c", "approve": False, "reason": "no"}
    untyped = {"tool_call_id": "d", "status": "success", "tool_return": "x"}
    v1.message(agent, "", role="approval", content=None, approvals=[decision, untyped])
    run = v1.run(agent)
    v1.step(run, feedback="negative")
    path = tmp_path / "rest.jsonl"

    import_v1("--sidecar", str(path))

    message = Message.objects.get(role="approval")
    assert message.content == [decision, {"type": "tool", **untyped}]
    assert Step.objects.get().feedback == "negative"
    tables = [json.loads(row)["table"] for row in path.read_text().splitlines()]
    assert "messages" not in tables
    assert "steps" not in tables
