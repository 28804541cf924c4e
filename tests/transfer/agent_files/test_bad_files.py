"""The error of an invalid file names the place, what is there and what was expected."""

import json

import pytest

from conversations.domain.actor import SERVER
from conversations.domain.errors import DomainError
from conversations.models import Agent, Block, Message
from conversations.transfer.agent_files import parse

from ...factories import make_agent, make_conversation, make_messages
from .files import FLAT, NEWER, changed, encoded, export_agent, import_document

CASES = {
    "not JSON": (b"PK\x03\x04", "Expected JSON in UTF-8"),
    "truncated": (encoded(NEWER)[:-20], "Expected JSON in UTF-8"),
    "not UTF-8": (b'{"agents": "\xff"}', "Expected JSON in UTF-8"),
    "too deep to read": (b"[" * 100_000, "Expected JSON in UTF-8"),
    "NaN": (b'{"agents": NaN}', "NaN is not JSON"),
    "another JSON document": (b'{"name": "x"}', "Expected an agent file"),
    "a list": (b"[]", "the document: expected an object, got []"),
    "no agent": ({"agents": []}, "agents: expected at least one agent"),
    "NUL": (
        changed(NEWER, "blocks.0.value", "a\0b"),
        "blocks.0.value: has a NUL character, which can't be stored",
    ),
    "lone surrogate": (
        changed(FLAT, "messages.1.text", "\ud800"),
        "messages.1.text: has a lone surrogate",
    ),
    "lone surrogate in a key": (
        changed(NEWER, "agents.0.metadata", {"\udfff": 1}),
        "agents.0.metadata.'\\udfff': has a lone surrogate",
    ),
    "infinity": (
        encoded(NEWER).replace(b'"tags": ["a"]', b'"metadata": {"a": 1e999}'),
        "agents.0.metadata.a: has a number beyond the range of a double",
    ),
    "a label twice": (
        changed(NEWER, "blocks.0.label", "persona"),
        "agents.0.blocks: expected one block for each label, got 2 with label 'persona'",
    ),
    "a long label": (
        changed(NEWER, "blocks.0.label", "x" * 201),
        "blocks.0.label: expected at most 200 characters",
    ),
    "an id twice": (
        changed(NEWER, "blocks.0.id", "block-1"),
        "blocks.1.id: expected an id that no other has",
    ),
    "a dangling block": (
        changed(NEWER, "agents.0.block_ids.0", "block-9"),
        'agents.0.block_ids.0: expected the id of a block in this file, got "block-9"',
    ),
    "a dangling tool": (changed(NEWER, "agents.0.tool_ids.0", "tool-9"), "agents.0.tool_ids.0"),
    "a dangling message": (
        changed(NEWER, "agents.0.in_context_message_ids.1", "message-9"),
        "agents.0.in_context_message_ids.1: expected the id of one of the agent's messages",
    ),
    "an index out of range": (
        changed(FLAT, "in_context_message_indices.0", 5),
        "in_context_message_indices.0: expected the index of one of 5 messages, got 5",
    ),
    "an unknown role": (changed(FLAT, "messages.1.role", "boss"), "messages.1.role: expected one"),
    "a part without type": (
        changed(FLAT, "messages.0.content", [{"text": "x"}]),
        "messages.0.content.0: expected a content part with a string as its `type`, got {",
    ),
    "no model": (
        changed(NEWER, "agents.0.llm_config", None),
        "agents.0: expected a model's",
    ),
    "a wrong time": (
        changed(FLAT, "messages.2.created_at", "yesterday"),
        "messages.2.created_at: expected a time in ISO 8601",
    ),
    "a wrong zone": (changed(NEWER, "agents.0.timezone", "Mars/Base"), "agents.0.timezone: expec"),
    "a wrong name": (changed(NEWER, "agents.0.name", "a/b"), "agents.0.name: expected letters"),
    "a negative limit": (
        changed(NEWER, "blocks.0.limit", -1),
        "blocks.0.limit: expected an integer from 1 to 2147483647, got -1",
    ),
    "a text for a list": (changed(NEWER, "blocks", "none"), "blocks: expected an array"),
    "a number for a list": (
        changed(FLAT, "tool_exec_environment_variables", -1),
        "tool_exec_environment_variables: expected an array or an object, got -1",
    ),
}


@pytest.mark.parametrize(("document", "wrong"), CASES.values(), ids=CASES)
def test_invalid_file_is_rejected_and_stores_nothing(alice, document, wrong):
    with pytest.raises(DomainError) as refused:
        import_document(alice, document)

    assert wrong in str(refused.value)
    assert not Agent.objects.exists()
    assert not Block.objects.exists()
    assert not Message.objects.exists()


def test_large_file_is_rejected_before_parsing(alice, monkeypatch):
    monkeypatch.setattr(parse, "MAX_BYTES", 1000)

    with pytest.raises(DomainError, match="1001 bytes; expected at most 1000"):
        import_document(alice, b"{" * 1001)


@pytest.fixture
def exported(alice) -> dict:
    agent = make_agent(alice, labels=["human", "todo"])
    first = make_conversation(agent, isolated=["human"])
    make_messages(first, "one")
    make_conversation(agent, isolated=["human"])
    return json.loads(json.dumps(export_agent(agent, by=SERVER, with_revisions=True)))


EXTENSION_CASES = {
    "a cycle of forks": (
        {
            "conversations.1.forked_from": {"conversation_id": "conv-2"},
            "conversations.2.forked_from": {"conversation_id": "conv-1"},
        },
        "conversations.1.forked_from: expected a conversation that is not a fork of this one",
    ),
    "a fork of nothing": (
        {"conversations.1.forked_from": {"conversation_id": "conv-9"}},
        "conversations.1.forked_from: expected the id of a conversation in this file",
    ),
    "a dangling message": (
        {"conversations.1.message_ids.0": "message-9"},
        "conversations.1.message_ids.0: expected the id of a message in this file",
    ),
    "a message twice": (
        {"conversations.1.message_ids.1": "message-1"},
        "conversations.1.message_ids.1: expected each message once",
    ),
    "a context of other messages": (
        {"conversations.2.in_context_message_ids.0": "message-2"},
        "conversations.2.in_context_message_ids: expected ids that are in `message_ids` too",
    ),
    "one block isolated twice": (
        {"conversations.2.isolated_blocks.0.block_id": "block-2"},
        "conversations.2.isolated_blocks: block 'block-2' is already isolated",
    ),
    "an attached block isolated": (
        {"conversations.2.isolated_blocks.0.block_id": "block-1"},
        "Block 'block-1' is isolated, and attached to 'agent-0'",
    ),
    "a conversation of an unknown agent": (
        {"conversations.1.agent_id": "agent-7"},
        "conversations.1.agent_id: expected the id of an agent in this file",
    ),
    "revisions with a gap": (
        {"block_details.0.revisions.0.number": 2},
        "block_details.0.revisions: expected numbers from 1 on, without gaps",
    ),
    "a newest revision with another text": (
        {"block_details.0.revisions.0.value": "another"},
        "block_details.0.revisions: expected the newest to have the block's value",
    ),
    "a revision that restores itself": (
        {"block_details.0.revisions.0.restored_number": 1},
        "block_details.0.revisions: expected to restore earlier ones only",
    ),
    # Undo would write these attributes to the block.
    "a revision with more than a block's fields": (
        {"block_details.0.revisions.0.attributes": {"organization_id": "org-1", "label": "x"}},
        "block_details.0.revisions.0.attributes.organization_id: expected no such field",
    ),
    "a revision with a wrong label": (
        {"block_details.0.revisions.0.attributes": {"label": 5}},
        "block_details.0.revisions.0.attributes.label: expected a string",
    ),
    "an unknown source": (
        {"block_details.0.revisions.0.source": "magic"},
        "block_details.0.revisions.0.source: expected one of api",
    ),
    "a policy for no block": (
        {"agent_details.0.isolated_labels": ["nolabel"]},
        "agent_details.0.isolated_labels.0: expected the label of one of the agent's blocks",
    ),
    "another version of the extension": (
        {"metadata.x_conversations_schema": "2"},
        "metadata.x_conversations_schema: expected '1', the only known version",
    ),
}


@pytest.mark.parametrize(("changes", "wrong"), EXTENSION_CASES.values(), ids=EXTENSION_CASES)
def test_invalid_extension_is_rejected(alice, exported, changes, wrong):
    for path, value in changes.items():
        exported = changed(exported, path, value)

    with pytest.raises(DomainError) as refused:
        import_document(alice, exported)

    assert wrong in str(refused.value)
    assert Agent.objects.count() == 1
