from datetime import UTC, datetime

import pytest

from conversations.domain.memory.blocks import write_block
from conversations.domain.memory.effective import effective_blocks
from conversations.domain.memory.prompt import compile_prompt, is_stale, recompile
from conversations.domain.turns.context_window import context_window

from ...factories import actor, make_agent, make_block, make_conversation, make_messages


def test_prompt_has_system_text_blocks_and_metadata(alice):
    block = make_block(alice, label="human", value="Bob", description="who", read_only=True)
    agent = make_agent(alice, blocks=[block], system="Be kind.", timezone="Asia/Tokyo")
    conversation = make_conversation(agent)

    prompt = compile_prompt(
        conversation,
        effective_blocks(conversation),
        compiled_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        message_count=7,
    )

    assert (
        prompt.text
        == f"""\
Be kind.

<memory_blocks>
You read these blocks of your memory at every turn:

<human>
<description>
who
</description>
<metadata>
- read_only=true
- chars_current=3
- chars_limit=100000
</metadata>
<value>
Bob
</value>
</human>

</memory_blocks>

<memory_metadata>
- AGENT_ID: {agent.pk}
- CONVERSATION_ID: {conversation.pk}
- System prompt last recompiled: 2026-01-02 12:04:05 PM JST+0900
- 7 previous messages between you and the user are stored in recall memory
</memory_metadata>"""
    )


def test_prompt_without_blocks_has_no_memory_section(alice):
    conversation = make_conversation(make_agent(alice, system="Be kind."))

    prompt = conversation.messages.get().text

    assert prompt.startswith("Be kind.\n\n<memory_metadata>")


@pytest.mark.parametrize("field", ["value", "description", "label", "read_only", "tags"])
def test_conversation_is_stale_until_recompiled(alice, field):
    agent = make_agent(alice, labels=["human"])
    conversation = make_conversation(agent)
    change = {"label": "x", "read_only": True, "tags": ["x"]}.get(field, "x")
    fresh = is_stale(conversation, effective_blocks(conversation))

    write_block(agent.blocks.get(), by=actor(alice), **{field: change})
    after = is_stale(conversation, effective_blocks(conversation))
    recompile(conversation)
    conversation.refresh_from_db()

    assert (fresh, after) == (False, True)
    assert not is_stale(conversation, effective_blocks(conversation))


def test_shared_edit_of_isolated_label_leaves_prompt_fresh(alice):
    agent = make_agent(alice, labels=["human"])
    conversation = make_conversation(agent, isolated=["human"])

    write_block(agent.blocks.get(), by=actor(alice), value="news")

    assert not is_stale(conversation, effective_blocks(conversation))


def test_context_window_counts_tokens_of_each_part(alice):
    conversation = make_conversation(make_agent(alice, labels=["human"], system="a" * 40))
    make_messages(conversation, "b" * 80)

    window = context_window(conversation)

    assert (window.tokens_system, window.tokens_messages) == (10, 20)
    assert window.tokens_functions == 0
    assert window.message_total == 2
