"""Agent files of others: every shape is read, and what they say is there afterwards."""

import pytest

from conversations.domain.integrity.check import find_breaches
from conversations.domain.memory.prompt import context_window
from conversations.models import BlockRevision, Conversation
from conversations.transfer.agent_files.parse import read_agent_file

from .files import FLAT, FOREIGN, NEWER, SOURCE, bring, changed, copy_of, encoded, told


def own_thread(agent) -> Conversation:
    return agent.conversations.get(is_default=True)


def texts_of(conversation, **conditions) -> list[str]:
    links = conversation.message_links.filter(position__gt=0, **conditions).order_by("position")
    return [link.message.text for link in links]


def test_the_flat_shape(alice):
    [agent] = bring(alice, FLAT)

    assert (agent.name, agent.model, agent.context_window_limit) == ("Flat", "openai/m", 8000)
    assert agent.embedding == "openai/e"
    blocks = {link.label: link.block for link in agent.block_links.in_prompt_order()}
    assert [block.value for block in blocks.values()] == ["Ada", "Calm"]
    assert texts_of(own_thread(agent)) == ["one", "two", "", "found"]
    assert texts_of(own_thread(agent), in_context=True) == ["two", "", "found"]
    assert agent.approval_tools == ["look_up"]


def test_the_newer_shape(alice):
    [agent] = bring(alice, NEWER)

    assert [link.label for link in agent.block_links.in_prompt_order()] == ["persona", "human"]
    assert texts_of(own_thread(agent)) == ["hello"]
    prompt = own_thread(agent).message_links.get(position=0).message.text
    assert "You answer." in prompt
    assert "Ada" in prompt
    assert "Old prompt" not in prompt


def test_a_model_of_a_provider_that_is_not_set_up_is_kept(alice, configure):
    configure(PROVIDERS={"openai": {"api_key": "one"}})

    [agent] = bring(alice, NEWER)

    assert agent.model == "nowhere/m"


def test_each_block_has_one_revision_and_it_is_the_imports(alice):
    bring(alice, NEWER)

    rows = BlockRevision.objects.values_list("block__label", "number", "source", "written_by")
    assert sorted(rows) == [
        ("human", 1, "import", alice.pk),
        ("persona", 1, "import", alice.pk),
    ]


def test_a_text_over_its_limit_is_kept_and_the_limit_raised(alice):
    parcel = read_agent_file(encoded(FLAT))
    [agent] = bring(alice, FLAT)

    assert agent.blocks.get(label="human").limit == 3
    assert "core_memory.0: the limit 2 is raised to the 3 of the value" in parcel.remarks


def test_tools_with_code_come_in_inert(alice, client_for):
    [agent] = bring(alice, NEWER)

    [tool] = client_for(alice).get(f"/v1/agents/{agent.pk}").json()["tools"]

    assert (tool["name"], tool["source_code"], tool["tags"]) == ("look_up", SOURCE, ["orders"])
    # The model is not told of it, so it can't be called.
    assert context_window(own_thread(agent)).functions == []


def test_what_has_no_place_is_told(alice):
    document = NEWER | {"groups": [{"id": "group-0"}], "files": [{}, {}]}

    remarks = read_agent_file(encoded(document)).remarks + read_agent_file(encoded(FLAT)).remarks

    assert "1 groups have no place here" in remarks
    assert "2 files have no place here" in remarks
    assert "1 environment variables have no place here" in remarks


def test_messages_can_be_left_out(alice):
    [agent] = bring(alice, NEWER, with_messages=False)

    assert own_thread(agent).message_links.count() == 1
    assert list(find_breaches()) == []


def test_the_order_of_the_context_is_the_order_the_model_read(alice):
    document = changed(FLAT, "in_context_message_indices", [0, 4, 2])

    [agent] = bring(alice, document)

    assert texts_of(own_thread(agent), in_context=True) == ["found", "two"]
    assert texts_of(own_thread(agent)) == ["one", "found", "", "two"]


def test_a_file_that_does_not_say_what_is_in_context_means_all_of_it(alice):
    [flat] = bring(alice, changed(FLAT, "in_context_message_indices", None))
    [newer] = bring(alice, changed(NEWER, "agents.0.in_context_message_ids", None))

    assert texts_of(own_thread(flat), in_context=True) == ["one", "two", "", "found"]
    assert texts_of(own_thread(newer), in_context=True) == ["hello"]


@pytest.mark.skipif(not FOREIGN, reason="the files of others are not here")
@pytest.mark.parametrize("path", FOREIGN, ids=lambda path: path.stem)
def test_files_of_others_are_read_and_exported_without_loss(alice, path):
    [agent] = bring(alice, path.read_bytes())

    again = copy_of(agent, alice)

    assert told(again) == told(agent)
    assert agent.blocks.exists()
    assert list(find_breaches()) == []
