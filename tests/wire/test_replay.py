"""What V1 was asked is asked again, and the answers are compared: status, shape, lengths of lists.

Each test is one recorded story. What was there before it began is made first.
"""

import pytest

from conversations.domain.conversations.accounts import issue_key
from conversations.domain.tools.definitions import BASE_TOOLS

from ..factories import make_agent, make_conversation, make_messages
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


@pytest.mark.usefixtures("_turns")
def test_wrong_requests_for_conversations(replay, alice):
    story = exchanges("conversations_errors")
    agent_id, _ = ids_from_before(story)
    agent = make_agent(alice, labels=["human", "persona"])
    replay.ids[agent_id] = agent.pk
    replay.ids[named_in(story, "update: no body")] = make_conversation(agent).pk

    replay.play(*story)

    assert_alike(replay)


@pytest.fixture
def _turns(transactional_db, model):
    """Turns are taken, by the model that the recordings were made with: it does what it is told."""


@pytest.mark.usefixtures("_turns")
def test_messages(replay, alice):
    story = exchanges("messages_llm")
    [agent_id] = ids_from_before(story)
    replay.ids[agent_id] = agent_with_memory(alice).pk

    replay.play(*story)

    assert_alike(replay)


@pytest.mark.usefixtures("_turns")
def test_streams(replay, alice):
    story = exchanges("streaming")
    agent = agent_with_memory(alice)
    for recorded_id in ids_from_before(story):
        is_agent = recorded_id.startswith("agent")
        replay.ids[recorded_id] = agent.pk if is_agent else make_conversation(agent).pk

    replay.play(*story)

    assert_alike(replay)


@pytest.mark.usefixtures("_turns")
def test_compaction(replay, alice):
    story = exchanges("compact")
    agent = agent_with_memory(alice)
    for recorded_id in ids_from_before(story):
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
def test_runs(replay, alice, client_for):
    story = exchanges("runs")
    [run_id] = ids_from_before(story)
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


def test_every_recording_is_replayed_or_named_as_not_yet():
    replayed = {
        *("agents", "core_memory", "context", "blocks", "blocks_errors", "health"),
        *("conversations", "conversations_errors", "messages_llm", "runs", "multi_org", "auth"),
        *("streaming", "compact"),
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
