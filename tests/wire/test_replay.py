"""What V1 was asked is asked again, and the answers are compared: status, shape, lengths of lists.

Each test is one recorded story. What was there before it began is made first.
"""

import pytest
from django.utils import timezone

from conversations.domain.accounts import issue_key
from conversations.models import ConversationMessage, Message, Run, Step

from ..factories import make_agent, make_conversation, make_run
from . import differences, recordings
from .recordings import FOLDER, ID, exchanges, ids_from_before
from .replay import Replay

pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(), reason="the recordings of a V1 server are not beside the project"
)


@pytest.fixture
def replay(client_for, alice) -> Replay:
    return Replay(client_for(alice))


def test_agents_their_memory_and_context(replay, alice):
    story = exchanges("agents") + exchanges("core_memory") + exchanges("context")
    [somebody_elses] = ids_from_before(story)
    replay.ids[somebody_elses] = make_conversation(make_agent(alice)).pk

    replay.play(*story)

    assert_alike(replay)


@pytest.mark.parametrize("file", ["blocks", "blocks_errors", "health"])
def test_what_needs_nothing_to_be_there(replay, file):
    replay.play(*exchanges(file))

    assert_alike(replay)


def test_conversations(replay, alice):
    story = exchanges("conversations")
    [agent] = ids_from_before(story)
    replay.ids[agent] = make_agent(alice, labels=["human", "persona"]).pk

    replay.play(*story)

    assert_alike(replay)


def test_wrong_requests_for_conversations(replay, alice):
    story = exchanges("conversations_errors")
    agent_id, _ = ids_from_before(story)
    agent = make_agent(alice, labels=["human", "persona"])
    replay.ids[agent_id] = agent.pk
    replay.ids[named_in(story, "update: no body")] = make_conversation(agent).pk

    replay.play(*story)

    assert_alike(replay)


def test_messages(replay, alice):
    story = exchanges("messages_llm")
    [agent_id] = ids_from_before(story)
    agent = make_agent(alice, labels=["human", "persona"])
    replay.ids[agent_id] = agent.pk
    replay.play(story[0])
    created = agent.conversations.get(is_default=False)
    tell(replay, created, story, "list asc", "list desc")
    default = agent.conversations.get(is_default=True)
    tell(replay, default, story, "list default conversation")

    replay.play(*story[1:])

    assert_alike(replay)


def test_runs(replay, alice):
    story = exchanges("runs")
    [run_id] = ids_from_before(story)
    agent = make_agent(alice)
    replay.ids[run_id] = make_run(make_conversation(agent)).pk
    make_run(
        make_conversation(agent),
        status=Run.Status.COMPLETED,
        stop_reason="end_turn",
        completed_at=timezone.now(),
    )

    replay.play(*story)

    assert_alike(replay)


def test_organizations_never_mix(replay, client_for, alice, mallory):
    story = exchanges("multi_org")
    agent_id, conversation_id, block_id, others_agent_id, _ = ids_from_before(story)
    agent = make_agent(alice, labels=["human"])
    conversation = make_conversation(agent, isolated=["human"])
    replay.ids |= {
        agent_id: agent.pk,
        conversation_id: conversation.pk,
        block_id: conversation.isolations.get().block_id,
    }
    user_id = next(e.headers["user_id"] for e in story if "user_id" in e.headers)
    replay.ids[user_id] = mallory.pk
    replay.clients[mallory.pk] = client_for(mallory)

    when = [e.note for e in story].index("agents list as other org") + 1
    replay.play(*story[:when])
    replay.ids[others_agent_id] = make_agent(mallory, labels=["human"]).pk
    replay.play(*story[when:])

    assert_alike(replay)


def test_the_password_of_v1_is_a_key_here(replay, alice):
    make_conversation(make_agent(alice, labels=["human"]), isolated=["human"])
    story = exchanges("auth")
    password = next(e for e in story if e.note == "good password").headers["Authorization"]
    replay.secrets[password] = f"Bearer {issue_key(alice)[1]}"
    replay.client.credentials()

    replay.play(*story)

    assert_alike(replay)


def assert_alike(replay) -> None:
    if replay.problems:
        pytest.fail("V1 answered otherwise:\n" + "\n".join(replay.problems), pytrace=False)


def named_in(story, note: str) -> str:
    """The id in the path of an exchange."""
    return ID.search(next(e for e in story if e.note == note).path)[0]


def tell(replay, conversation, story, *notes: str) -> None:
    """Messages of the same kinds as those V1 listed, the oldest first, with one run and step."""
    run = make_run(conversation, status=Run.Status.COMPLETED)
    step = Step.objects.create(organization_id=run.organization_id, run=run, number=1)
    listed: dict[str, list[dict]] = {}
    for note in notes:
        items = next(e for e in story if e.note == note).answer
        for item in items if "asc" in note else reversed(items):
            listed.setdefault(item["id"], []).append(item)
    position = 1
    for recorded_id, items in listed.items():
        if items[0]["message_type"] == "system_message" and items[0]["run_id"] is None:
            continue  # the one that every conversation begins with
        message = Message.objects.create(
            organization_id=run.organization_id,
            agent_id=conversation.agent_id,
            run=run,
            step=step,
            **stored(items),
        )
        ConversationMessage.objects.create(
            conversation=conversation, message=message, position=position
        )
        replay.ids[recorded_id] = message.pk
        position += 1


def stored(items: list[dict]) -> dict:
    """The fields of the stored message that gives these items on the wire."""
    kinds = {item["message_type"] for item in items}
    if "tool_return_message" in kinds:
        return {"role": Message.Role.TOOL, "tool_call_id": "call", "content": [part("text")]}
    for kind, role in (("user_message", "user"), ("system_message", "system")):
        if kind in kinds:
            return {"role": role, "content": [part("text")], "otid": items[0]["otid"]}
    content = [part(kind) for kind in ("reasoning", "text") if f"{KINDS[kind]}_message" in kinds]
    call = {"id": "call", "function": {"name": "memory_insert", "arguments": "{}"}}
    calls = [call] if "tool_call_message" in kinds else []
    return {"role": Message.Role.ASSISTANT, "content": content, "tool_calls": calls}


KINDS = {"reasoning": "reasoning", "text": "assistant"}


def part(kind: str) -> dict:
    return {"type": kind, kind: "words"}


def test_every_recording_is_replayed_or_named_as_not_yet():
    replayed = {
        *("agents", "core_memory", "context", "blocks", "blocks_errors", "health"),
        *("conversations", "conversations_errors", "messages_llm", "runs", "multi_org", "auth"),
    }

    assert replayed | differences.NOT_YET_FILES.keys() == recordings.files()


@pytest.mark.parametrize("route", differences.NOT_YET)
def test_what_is_not_yet_replayed_is_not_yet_served(replay, route):
    every = (e for file in sorted(recordings.files()) for e in exchanges(file))

    response = replay.ask(next(e for e in every if e.route == route))

    nothing = [(404, {"detail": "Not Found"}), (405, {"detail": "Method Not Allowed"})]
    assert (response.status_code, response.json()) in nothing, "take it out of NOT_YET"


def test_the_tables_of_differences_name_exchanges_there_are():
    keys = {e.key: e for file in recordings.files() for e in exchanges(file)}
    tables = (
        differences.STATUSES,
        differences.LENGTHS,
        differences.NOT_COMPARED,
        differences.CONDENSED,
    )
    lengths = {key: len(keys[key].answer) for key in differences.LENGTHS}
    routes = {e.route for e in keys.values()}

    assert [key for table in tables for key in table if key not in keys] == []
    assert [route for route in differences.NOT_YET if route not in routes] == []
    assert [k for k, ours in differences.STATUSES.items() if ours.status == keys[k].status] == []
    assert [k for k, ours in differences.LENGTHS.items() if ours.length == lengths[k]] == []
