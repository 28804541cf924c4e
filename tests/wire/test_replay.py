"""Replay requests recorded with V1 and compare the responses: status, shape, lengths of lists.

Each test is one recorded story; rows that existed before the recording are created first.
"""

import pytest

from conversations.domain.conversations.accounts import issue_key
from conversations.domain.tools.definitions import BASE_TOOLS

from ..factories import make_agent, make_conversation, make_messages
from . import differences
from .exchanges import FULL, ID, TRIMMED, Recordings, preexisting_ids
from .replay import Replay


@pytest.fixture(params=[TRIMMED, FULL], ids=["trimmed", "full"])
def recordings(request) -> Recordings:
    if not request.param.is_dir():
        pytest.skip("needs the full recordings")
    return Recordings(request.param)


@pytest.fixture
def replay(client_for, alice) -> Replay:
    return Replay(client_for(alice))


def test_agents_core_memory_and_context(recordings, replay, alice):
    story = recordings.story("agents", "core_memory", "context")
    [foreign_conversation] = preexisting_ids(story)
    replay.ids[foreign_conversation] = make_conversation(make_agent(alice)).pk

    replay.play(*story)

    assert_alike(replay)


@pytest.mark.parametrize("file", ["blocks", "blocks_errors", "health"])
def test_stories_without_preexisting_rows(recordings, replay, file):
    replay.play(*recordings.story(file))

    assert_alike(replay)


def test_conversations(recordings, replay, alice):
    story = recordings.story("conversations")
    [agent] = preexisting_ids(story)
    replay.ids[agent] = make_agent(alice, labels=["human", "persona"]).pk

    replay.play(*story)

    assert_alike(replay)


@pytest.mark.usefixtures("_turns")
def test_invalid_conversation_requests(recordings, replay, alice):
    story = recordings.story("conversations_errors")
    agent_id, _ = preexisting_ids(story)
    agent = make_agent(alice, labels=["human", "persona"])
    replay.ids[agent_id] = agent.pk
    replay.ids[named_in(story, "update: no body")] = make_conversation(agent).pk

    replay.play(*story)

    assert_alike(replay)


@pytest.fixture
def _turns(transactional_db, model):
    """Run turns with the scripted model that the recordings were made with."""


@pytest.mark.usefixtures("_turns")
def test_messages(recordings, replay, alice):
    story = recordings.story("messages_llm")
    [agent_id] = preexisting_ids(story)
    replay.ids[agent_id] = agent_with_memory(alice).pk

    replay.play(*story)

    assert_alike(replay)


@pytest.mark.usefixtures("_turns")
def test_streams(recordings, replay, alice):
    story = recordings.story("streaming")
    agent = agent_with_memory(alice)
    for recorded_id in preexisting_ids(story):
        is_agent = recorded_id.startswith("agent")
        replay.ids[recorded_id] = agent.pk if is_agent else make_conversation(agent).pk

    replay.play(*story)

    assert_alike(replay)


@pytest.mark.usefixtures("_turns")
def test_compaction(recordings, replay, alice):
    story = recordings.story("compact")
    agent = agent_with_memory(alice)
    for recorded_id in preexisting_ids(story):
        if recorded_id.startswith("agent"):
            replay.ids[recorded_id] = agent.pk
        else:
            conversation = make_conversation(agent, isolated=["human"])
            make_messages(conversation, *(f"SAY note {n}" for n in range(8)))
            replay.ids[recorded_id] = conversation.pk
    make_messages(agent.conversations.get(is_default=True), *("abcd"))

    replay.play(*story)

    assert_alike(replay)


@pytest.mark.usefixtures("_turns")
def test_runs(recordings, replay, alice, client_for):
    story = recordings.story("runs")
    [run_id] = preexisting_ids(story)
    agent = agent_with_memory(alice)
    for text in ("SAY first", "SAY run me"):
        body = {"input": text, "streaming": False}
        path = f"/v1/conversations/{make_conversation(agent).pk}/messages"
        client_for(alice).post(path, body)
    replay.ids[run_id] = agent.runs.order_by("created_at")[0].pk

    replay.play(*story)

    assert_alike(replay)


def agent_with_memory(user):
    return make_agent(user, labels=["human", "persona"], tools=BASE_TOOLS)


def test_organizations_never_mix(recordings, replay, client_for, alice, mallory):
    story = recordings.story("multi_org")
    agent_id, conversation_id, block_id, others_agent_id, _ = preexisting_ids(story)
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


def test_password_of_v1_becomes_an_api_key(recordings, replay, alice):
    make_conversation(make_agent(alice, labels=["human"]), isolated=["human"])
    story = recordings.story("auth")
    password = next(e for e in story if e.note == "good password").headers["Authorization"]
    replay.secrets[password] = f"Bearer {issue_key(alice)[1]}"
    replay.client.credentials()

    replay.play(*story)

    assert_alike(replay)


def assert_alike(replay) -> None:
    if replay.problems:
        pytest.fail("V1 responded differently:\n" + "\n".join(replay.problems), pytrace=False)


def named_in(story, note: str) -> str:
    """Return the id in the path of an exchange."""
    return ID.search(next(e for e in story if e.note == note).path)[0]


def test_every_recording_is_replayed_or_listed(recordings):
    replayed = {
        *("agents", "core_memory", "context", "blocks", "blocks_errors", "health"),
        *("conversations", "conversations_errors", "messages_llm", "runs", "multi_org", "auth"),
        *("streaming", "compact"),
    }

    assert replayed | differences.NOT_YET_FILES.keys() == recordings.files()


@pytest.mark.parametrize("route", differences.NOT_YET)
def test_routes_listed_as_missing_are_not_served(recordings, replay, route):
    every = (e for e in recordings.story(*sorted(recordings.files())))

    response = replay.ask(next(e for e in every if e.route == route))

    nothing = [(404, {"detail": "Not Found"}), (405, {"detail": "Method Not Allowed"})]
    assert (response.status_code, response.json()) in nothing, "take it out of NOT_YET"


def test_listed_differences_exist(recordings):
    keys = {e.key: e for e in recordings.story(*recordings.files())}
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
