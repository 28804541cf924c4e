"""Files written by other servers, in both formats."""

import pytest

from conversations.domain.integrity.check import find_breaches
from conversations.domain.tools.variables import variables_of
from conversations.domain.turns.context_window import context_window
from conversations.models import BlockRevision, Conversation
from conversations.transfer.agent_files.parse import parse_agent_file
from conversations.transfer.agent_files.write import export_agent

from ...factories import actor, make_tool
from .files import (
    FLAT,
    FOREIGN,
    NEWER,
    SOURCE,
    changed,
    copy_of,
    encoded,
    import_document,
    snapshot,
)


def default_conversation(agent) -> Conversation:
    return agent.conversations.get(is_default=True)


def texts_of(conversation, **conditions) -> list[str]:
    links = conversation.message_links.filter(position__gt=0, **conditions).order_by("position")
    return [link.message.text for link in links]


def test_older_format_is_imported(alice):
    [agent] = import_document(alice, FLAT)

    assert (agent.name, agent.model, agent.context_window_limit) == ("Flat", "openai/m", 8000)
    assert agent.embedding == "openai/e"
    blocks = {link.label: link.block for link in agent.block_links.in_prompt_order()}
    assert [block.value for block in blocks.values()] == ["Ada", "Calm"]
    assert texts_of(default_conversation(agent)) == ["one", "two", "", "found"]
    assert texts_of(default_conversation(agent), in_context=True) == ["two", "", "found"]
    assert agent.approval_tools == {"look_up"}


def test_current_format_is_imported(alice):
    [agent] = import_document(alice, NEWER)

    assert [link.label for link in agent.block_links.in_prompt_order()] == ["persona", "human"]
    assert texts_of(default_conversation(agent)) == ["hello"]
    prompt = default_conversation(agent).message_links.get(position=0).message.text
    assert "You answer." in prompt
    assert "Ada" in prompt
    assert "Old prompt" not in prompt


def test_model_of_unconfigured_provider_is_kept(alice, configure):
    configure(PROVIDERS={"openai": {"api_key": "one"}})

    [agent] = import_document(alice, NEWER)

    assert agent.model == "nowhere/m"


def test_each_block_gets_one_revision_from_import(alice):
    import_document(alice, NEWER)

    rows = BlockRevision.objects.values_list("block__label", "number", "source", "written_by")
    assert sorted(rows) == [
        ("human", 1, "import", alice.pk),
        ("persona", 1, "import", alice.pk),
    ]


def test_limit_is_raised_to_length_of_text(alice):
    file = parse_agent_file(encoded(FLAT))
    [agent] = import_document(alice, FLAT)

    assert agent.blocks.get(label="human").limit == 3
    assert "core_memory.0: the limit 2 is raised to 3, the value's length" in file.warnings


def test_tool_with_its_source_is_imported(alice, client_for):
    [agent] = import_document(alice, NEWER)

    [tool] = client_for(alice).get(f"/v1/agents/{agent.pk}").json()["tools"]

    assert (tool["name"], tool["source_code"], tool["tags"]) == ("look_up", SOURCE, ["orders"])
    [function] = context_window(default_conversation(agent)).functions
    assert function["function"]["name"] == "look_up"


def test_existing_tool_is_replaced_unless_told_otherwise(alice):
    tool = make_tool(alice, "look_up", source_code="mine")

    import_document(alice, NEWER, override_tools=False)
    tool.refresh_from_db()
    assert tool.source_code == "mine"

    [agent] = import_document(alice, NEWER)
    tool.refresh_from_db()
    assert tool.source_code == SOURCE
    assert [attached.pk for attached in agent.tools.all()] == [tool.pk]


def test_variables_of_file_are_stored_and_exported_without_values(alice):
    document = changed(FLAT, "tool_exec_environment_variables.0.value", "tide")
    [agent] = import_document(alice, document, variables={"OTHER": "x"})

    assert variables_of(agent) == {"TOKEN": "tide", "OTHER": "x"}
    [exported] = export_agent(agent, by=actor(alice))["agents"]
    assert exported["tool_exec_environment_variables"] == {"TOKEN": "", "OTHER": ""}


def test_unsupported_parts_are_warned_of(alice):
    document = NEWER | {"groups": [{"id": "group-0"}], "skills": [{}, {}]}

    warnings = parse_agent_file(encoded(document)).warnings
    warnings += parse_agent_file(encoded(FLAT)).warnings

    assert "1 groups are not supported" in warnings
    assert "2 skills are not supported" in warnings
    assert "environment variables of agent-0 without a value: TOKEN" in warnings


def test_import_without_messages_keeps_system_message(alice):
    [agent] = import_document(alice, NEWER, with_messages=False)

    assert default_conversation(agent).message_links.count() == 1
    assert list(find_breaches()) == []


def test_context_keeps_order_in_which_model_read_it(alice):
    document = changed(FLAT, "in_context_message_indices", [0, 4, 2])

    [agent] = import_document(alice, document)

    assert texts_of(default_conversation(agent), in_context=True) == ["found", "two"]
    assert texts_of(default_conversation(agent)) == ["one", "found", "", "two"]


def test_all_messages_are_in_context_by_default(alice):
    [flat] = import_document(alice, changed(FLAT, "in_context_message_indices", None))
    [newer] = import_document(alice, changed(NEWER, "agents.0.in_context_message_ids", None))

    assert texts_of(default_conversation(flat), in_context=True) == ["one", "two", "", "found"]
    assert texts_of(default_conversation(newer), in_context=True) == ["hello"]


@pytest.mark.skipif(not FOREIGN, reason="needs files written by other servers")
@pytest.mark.parametrize("path", FOREIGN, ids=lambda path: path.stem)
def test_foreign_file_round_trips_without_loss(alice, path):
    [agent] = import_document(alice, path.read_bytes())

    again = copy_of(agent, alice)

    assert snapshot(again) == snapshot(agent)
    assert agent.blocks.exists()
    assert list(find_breaches()) == []
