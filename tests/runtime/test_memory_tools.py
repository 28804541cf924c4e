"""Memory in the prompt, and the tools that edit it."""

import json

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from conversations.domain.conversations.timeline import timeline_page
from conversations.domain.integrity.check import find_breaches
from conversations.domain.memory.blocks import write_block
from conversations.domain.tools.definitions import BASE_TOOLS
from conversations.models import BlockRevision, Step

from ..admin.pages import open_form, save_form
from ..factories import actor, make_agent, make_conversation, make_messages
from ..script import call, calls, raw_call, say, script
from .streams import send, types


def system_text(model) -> str:
    return model.requests[-1]["messages"][0]["content"]


@pytest.fixture
def agent(alice):
    return make_agent(alice, labels=["human", "persona"], tools=BASE_TOOLS)


@pytest.fixture
def isolated(agent):
    return make_conversation(agent, isolated=["human"])


@pytest.fixture
def shared(agent):
    return make_conversation(agent)


def test_model_reads_effective_blocks_of_each_conversation(
    client_for, alice, agent, isolated, shared, model
):
    client = client_for(alice)
    path = f"/v1/conversations/{isolated.pk}/isolated-blocks/human"
    assert client.patch(path, {"value": "I am Bob, here only"}).status_code == 200

    send(client, isolated, "SAY ok")
    assert "I am Bob, here only" in system_text(model)
    assert "about human" not in system_text(model)

    send(client, shared, "SAY ok")
    assert "about human" in system_text(model)
    assert "I am Bob" not in system_text(model)


def test_api_edit_reaches_model_at_next_turn(client_for, alice, agent, isolated, shared, model):
    client = client_for(alice)
    for conversation in (isolated, shared):
        send(client, conversation, "SAY before")
    persona, human = agent.blocks.get(label="persona"), agent.blocks.get(label="human")
    client.patch(f"/v1/blocks/{persona.pk}", {"value": "new persona"})
    client.patch(f"/v1/blocks/{human.pk}", {"value": "new shared human"})

    send(client, isolated, "SAY ok")
    assert "new persona" in system_text(model)
    assert "new shared human" not in system_text(model)
    send(client, shared, "SAY ok")
    assert "new shared human" in system_text(model)


def test_console_edit_reaches_model(client_for, alice, agent, shared, model):
    alice.user.is_staff = True
    alice.user.save()
    alice.user.user_permissions.set(Permission.objects.all())
    browser = Client()
    browser.force_login(alice.user)
    human = agent.blocks.get(label="human")
    form = open_form(browser, human)
    save_form(browser, human, {**form, "value": "edited by an operator"})

    send(client_for(alice), shared, "SAY ok")

    assert "edited by an operator" in system_text(model)


def test_timeline_places_edit_between_call_and_result(client_for, alice, agent, isolated):
    text = script(call("memory_insert", label="human", new_string="likes tea"), say("noted"))
    send(client_for(alice), isolated, text)
    send(client_for(alice), isolated, "SAY again")

    shown = timeline_page(isolated)

    changed = [entry.link.message.role for entry in shown.entries if entry.changes]
    assert changed == ["system", "tool"]  # The system message comes after the isolation.
    assert shown.changes == []


def test_tool_without_isolation_edits_shared_block(
    client_for, alice, agent, isolated, shared, model
):
    client = client_for(alice)
    other = make_conversation(agent)
    text = script(call("memory_insert", label="human", new_string="likes tea"), say("noted"))

    send(client, isolated, text)
    send(client, shared, "SAY ok")
    assert "likes tea" not in system_text(model)

    send(client, other, text)
    send(client, shared, "SAY ok")
    assert "likes tea" in system_text(model)
    human = agent.blocks.get(label="human")
    assert human.value == "about human\nlikes tea"
    assert isolated.isolations.get().block.value == "about human\nlikes tea"
    assert isolated.isolations.get().block.version == 2


def test_tool_edit_records_run_and_conversation(client_for, alice, isolated):
    text = script(
        call("memory_replace", label="human", old_string="human", new_string="Bob"), say("ok")
    )

    answer = send(client_for(alice), isolated, text).json()

    assert types(answer["messages"]) == [
        "tool_call_message",
        "tool_return_message",
        "assistant_message",
    ]
    revision = BlockRevision.objects.get(block=isolated.isolations.get().block, number=2)
    assert (revision.source, revision.value) == ("tool", "about Bob")
    assert revision.run_id == answer["messages"][0]["run_id"]
    assert revision.conversation_id == isolated.pk
    assert revision.written_by == alice
    assert list(find_breaches()) == []


def test_step_records_blocks_seen(client_for, alice, agent, isolated):
    client = client_for(alice)
    send(client, isolated, script(call("memory_insert", label="human", new_string="x"), say("ok")))
    send(client, isolated, "SAY ok")

    block, persona = isolated.isolations.get().block, agent.blocks.get(label="persona")
    seen = [
        [(read["label"], read["block_id"], read["version"], read["origin"]) for read in blocks]
        for blocks in Step.objects.order_by("created_at").values_list("blocks_seen", flat=True)
    ]
    before = [("human", block.pk, 1, "isolated"), ("persona", persona.pk, 1, "shared")]
    after = [("human", block.pk, 2, "isolated"), ("persona", persona.pk, 1, "shared")]
    # The prompt does not change during a turn; the tool's result has the new text.
    assert seen == [before, before, after]


def test_manual_refresh_keeps_stale_prompt(client_for, alice, agent, shared, model, configure):
    configure(PROMPT_REFRESH="manual")
    client = client_for(alice)
    human = agent.blocks.get(label="human")
    client.patch(f"/v1/blocks/{human.pk}", {"value": "new"})

    send(client, shared, "SAY ok")
    assert "about human" in system_text(model)
    assert Step.objects.get().blocks_seen[0]["version"] == 1

    client.post(f"/v1/conversations/{shared.pk}/recompile")
    send(client, shared, "SAY ok")
    assert "about human" not in system_text(model)


EDITS = [
    (call("memory_insert", label="human", new_string="b"), "a\nz\nb"),
    (call("memory_insert", label="human", new_string="b", insert_line=0), "b\na\nz"),
    (call("memory_insert", label="human", new_string="b\nc", insert_line=1), "a\nb\nc\nz"),
    (call("memory_replace", label="human", old_string="z", new_string=""), "a\n"),
    (call("memory_rethink", label="human", new_memory="new"), "new"),
    (call("core_memory_append", label="human", content="b"), "a\nz\nb"),
    (call("core_memory_replace", label="human", old_content="a", new_content="b"), "b\nz"),
]
TOOLS = [
    "memory_insert",
    "memory_replace",
    "memory_rethink",
    "core_memory_append",
    "core_memory_replace",
    "conversation_search",
]


@pytest.mark.parametrize(("text", "expected"), EDITS)
def test_memory_tools_edit_blocks(client_for, alice, text, expected):
    agent = make_agent(alice, memory_blocks=[{"label": "human", "value": "a\nz"}], tools=TOOLS)
    conversation = make_conversation(agent, isolated=["human"])

    answer = send(client_for(alice), conversation, script(text, say("ok"))).json()

    assert conversation.isolations.get().block.value == expected
    assert answer["messages"][1]["status"] == "success"
    assert answer["messages"][1]["tool_return"] == expected
    assert agent.blocks.get().value == "a\nz"


INVALID_CALLS = [
    (call("memory_insert", label="nolabel", new_string="x"), "its labels are 'human', 'fixed'"),
    (call("memory_insert", label="human", new_string="x", insert_line=9), "0 (the beginning) to 2"),
    (call("memory_insert", label="human", new_string="x" * 90), "at most 50 characters"),
    (call("memory_replace", label="human", old_string="q", new_string="r"), "does not occur"),
    (call("memory_replace", label="human", old_string="a", new_string="r"), "occurs 2 times"),
    (call("memory_replace", label="human", old_string="", new_string="r"), "empty string"),
    (call("core_memory_replace", label="human", old_content="q", new_content=""), "not occur"),
    (call("memory_rethink", label="fixed", new_memory="x"), "read-only"),
    (call("memory_insert", label="human"), "needs new_string"),
    (call("memory_insert", label="human", new_string=3), "new_string: expected a JSON string"),
    (call("memory_insert", label="human", new_string="a\0"), "NUL"),
    (call("memory_insert", label="human", new_string="x", conversation_id="conv"), "takes no"),
    (call("memory_insert", label="human", new_string="x", agent_id="agent"), "takes no"),
    (call("run_code", code="1"), "Cannot call run_code, valid tools include: ['memory_insert'"),
    (call("conversation_search", query="x", limit=0), "expected 1 to 50"),
    (raw_call("memory_insert", '{"label": "human", "new_str'), "not valid JSON"),
    (raw_call("memory_insert", "[1]"), "must be a JSON object"),
]


@pytest.mark.parametrize(("text", "expected"), INVALID_CALLS)
def test_invalid_tool_call_is_explained_to_model(client_for, alice, model, text, expected):
    blocks = [
        {"label": "human", "value": "a\na", "limit": 50},
        {"label": "fixed", "value": "stays", "read_only": True},
    ]
    agent = make_agent(alice, memory_blocks=blocks, tools=[*TOOLS, "run_code"])
    conversation = make_conversation(agent)

    answer = send(client_for(alice), conversation, script(text, say("I see"))).json()

    returned = answer["messages"][1]
    assert (returned["message_type"], returned["status"]) == ("tool_return_message", "error")
    assert expected in returned["tool_return"]
    assert returned["tool_return"] == model.requests[-1]["messages"][-1]["content"]
    assert answer["messages"][2]["content"] == "I see"
    assert [block.version for block in agent.blocks.all()] == [1, 1]
    # Invalid arguments are not sent again: the provider would reject the whole request.
    [sent] = [m for m in model.requests[-1]["messages"] if m.get("tool_calls")]
    assert isinstance(json.loads(sent["tool_calls"][0]["function"]["arguments"]), dict)


def test_step_runs_several_calls(client_for, alice, agent, shared):
    text = script(
        calls(
            call("memory_insert", label="persona", new_string="kind"),
            call("memory_insert", label="nolabel", new_string="x"),
            call("memory_insert", label="human", new_string="tall"),
        ),
        say("ok"),
    )

    answer = send(client_for(alice), shared, text).json()

    assert types(answer["messages"]) == [
        "tool_call_message",
        *["tool_return_message"] * 3,
        "assistant_message",
    ]
    assert [m["status"] for m in answer["messages"][1:4]] == ["success", "error", "success"]
    assert agent.blocks.get(label="persona").value == "about persona\nkind"
    assert agent.blocks.get(label="human").value == "about human\ntall"


def test_tool_edit_of_copy_on_write_block_isolates(client_for, alice):
    blocks = [{"label": "human", "value": "a"}]
    agent = make_agent(alice, memory_blocks=blocks, tools=BASE_TOOLS)
    write_block(agent.blocks.get(), by=actor(alice), copy_on_write=True)
    conversation = make_conversation(agent)

    send(client_for(alice), conversation, call("memory_insert", label="human", new_string="b"))

    assert agent.blocks.get().value == "a"
    assert conversation.isolations.get().block.value == "a\nb"


def test_conversation_search_finds_messages(client_for, alice, agent, shared):
    client = client_for(alice)
    other = make_conversation(agent)
    send(client, shared, "SAY The zebra is called Ada")
    send(client, other, "SAY The zebra is called Eve")

    answer = send(
        client, shared, script(call("conversation_search", query="ZEBRA called"), say("found"))
    )

    returned = answer.json()["messages"][1]["tool_return"]
    assert "assistant: The zebra is called Ada" in returned
    assert "Eve" not in returned


def test_search_results_are_shortened(client_for, alice, agent, shared):
    make_messages(shared, *(f"zebra {n} {'ö' * 50_000} the end" for n in range(3)))

    answer = send(
        client_for(alice), shared, script(call("conversation_search", query="zebra"), say("ok"))
    )

    returned = answer.json()["messages"][1]["tool_return"]
    assert len(returned) < 4_000
    assert returned.count("the end") == 3


def test_send_message_call_is_assistant_message(client_for, alice):
    agent = make_agent(alice, agent_type="memgpt_agent", tools=["send_message"])
    text = call("send_message", message="Hello!")
    client = client_for(alice)

    answer = send(client, make_conversation(agent), text).json()
    assert types(answer["messages"]) == ["assistant_message", "tool_return_message"]
    assert answer["messages"][0]["content"] == "Hello!"
    assert answer["usage"]["step_count"] == 1

    as_it_is = send(client, make_conversation(agent), text, use_assistant_message=False).json()
    assert as_it_is["messages"][0]["tool_call"]["name"] == "send_message"
