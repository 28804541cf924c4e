"""Turns in other processes, and processes that are killed or shut down during turns."""

import contextlib
import json
import signal
import threading

import httpx
import psycopg
import pytest
from django.db import connection

from conversations.domain.conversations.accounts import issue_key
from conversations.domain.integrity.check import find_breaches
from conversations.domain.tools.definitions import BASE_TOOLS
from conversations.models import Conversation, Message, Run

from ..factories import make_agent, make_conversation
from .processes import kill, post, until, web_server, worker
from .streams import texts

TURNS = 20
SILENCE = "5"  # seconds until a run without heartbeats counts as stalled
# One step edits memory, the next one replies slowly.
SCRIPT = "\n".join(
    [
        'CALL memory_insert {"label": "human", "new_string": "first"}',
        "PAUSE 0.2",
        "SAY a b c d e f g h i j k l m n o",
    ]
)


@pytest.fixture
def secret(alice) -> str:
    return issue_key(alice)[1]


@pytest.fixture
def conversations(alice) -> list[Conversation]:
    agent = make_agent(alice, labels=["human"], tools=BASE_TOOLS)
    return [make_conversation(agent, isolated=["human"]) for _ in range(TURNS)]


def start_all(url: str, secret: str, conversations) -> tuple[list[threading.Thread], list[str]]:
    """Send to each conversation; return the threads and, later, the whole streams."""
    streams: list[str] = []

    def send(pk: str) -> None:
        body = {"input": SCRIPT, "stream_tokens": True}
        with contextlib.suppress(httpx.HTTPError):
            streams.append(post(url, secret, f"conversations/{pk}/messages", body).text)

    threads = [threading.Thread(target=send, args=(c.pk,)) for c in conversations]
    for thread in threads:
        thread.start()
    return threads, streams


def in_the_middle() -> bool:
    """Return whether all runs have started and more than three have finished a step."""
    runs = Run.objects.all()
    return runs.count() == TURNS and runs.filter(messages__role="tool").distinct().count() > 3


def check_everything(conversations) -> None:
    assert set(Run.objects.values_list("status", flat=True)) == {"completed"}
    assert set(Run.objects.values_list("attempts", flat=True)) >= {2}
    for conversation in conversations:
        links = conversation.message_links.order_by("position").select_related("message")
        assert [link.position for link in links] == list(range(len(links)))
        # Every step once: the input, the call, its result, the reply.
        roles = [link.message.role for link in links]
        assert roles == ["system", "user", "assistant", "tool", "assistant"]
        assert conversation.isolations.get().block.value.count("first") == 1
    assert Message.objects.count() == sum(c.message_links.count() for c in conversations) + 1
    assert list(find_breaches()) == []


def check_stream(text: str) -> None:
    """The stream is whole: numbered, the last message is complete, the end is there."""
    assert text.endswith("data: [DONE]\n\n")
    events = [json.loads(line[6:]) for line in text.split("\n") if line.startswith("data: {")]
    numbers = [event["seq_id"] for event in events if event.get("seq_id")]
    assert numbers == sorted(set(numbers))
    said = [event for event in events if event["message_type"] == "assistant_message"]
    last = [event["content"] for event in said if event["id"] == said[-1]["id"]]
    assert "".join(last) == "a b c d e f g h i j k l m n o"
    assert events[-1]["message_type"] == "usage_statistics"


def test_runs_of_killed_web_process_are_resumed(model, secret, conversations):
    with web_server(model, STALLED_RUN_TIMEOUT=SILENCE) as (running, url):
        threads, _ = start_all(url, secret, conversations)
        until(in_the_middle, seconds=60, what="the turns are under way")
        kill(running)
    for thread in threads:
        thread.join()
    assert Run.objects.active().exists()
    # Nothing that was accepted is lost, even before another process resumes it.
    assert Message.objects.filter(role="user").count() == TURNS

    with web_server(model, STALLED_RUN_TIMEOUT=SILENCE) as (_, url):
        until(lambda: not Run.objects.active().exists(), seconds=60, what="the runs complete")
        check_everything(conversations)
        for run in Run.objects.filter(attempts=2)[:3]:
            check_stream(post(url, secret, f"runs/{run.pk}/stream").text)


def test_runs_of_killed_worker_are_resumed_in_one_stream(model, secret, conversations):
    with web_server(model, RUN_TURNS_IN_WEB="false") as (_, url):
        with worker(model, STALLED_RUN_TIMEOUT=SILENCE) as running:
            threads, streams = start_all(url, secret, conversations)
            until(in_the_middle, seconds=60, what="the turns are under way")
            kill(running)
        with worker(model, STALLED_RUN_TIMEOUT=SILENCE):
            until(lambda: not Run.objects.active().exists(), seconds=60, what="all is over")
        for thread in threads:
            thread.join()

    check_everything(conversations)
    assert len(streams) == TURNS
    for text in streams:
        check_stream(text)


def test_web_process_streams_turn_of_worker(model, secret, conversations):
    path = f"conversations/{conversations[0].pk}/messages"
    answers = []

    def send(url):
        body = {"input": "SAY one two three", "stream_tokens": True}
        answers.append(post(url, secret, path, body))

    with web_server(model, RUN_TURNS_IN_WEB="false") as (_, url):
        thread = threading.Thread(target=send, args=(url,))
        thread.start()
        until(
            lambda: Run.objects.filter(status="created").exists(),
            seconds=60,
            what="a run is queued",
        )
        with worker(model):
            thread.join()

    events = [json.loads(line[6:]) for line in answers[0].text.split("\n") if line[:7] == "data: {"]
    said = [e["content"] for e in events if e["message_type"] == "assistant_message"]
    assert said == ["one ", "two ", "three"]
    assert events[-1]["message_type"] == "usage_statistics"


def test_web_process_cancels_turn_of_worker(model, secret, conversations):
    conversation = conversations[0]
    with web_server(model, RUN_TURNS_IN_WEB="false") as (_, url), worker(model):
        body = {"input": "SLEEP 20\nSAY late"}
        path = f"conversations/{conversation.pk}/messages"
        thread = threading.Thread(target=post, args=(url, secret, path, body))
        thread.start()
        until(
            lambda: Run.objects.filter(status="running").exists(), seconds=60, what="a run starts"
        )
        cancelled = post(url, secret, f"conversations/{conversation.pk}/cancel")
        thread.join()

    assert set(cancelled.json().values()) == {"cancelled"}
    # The worker cancelled it and stored the user message, which a forced cancel would lose.
    assert texts(conversation) == [("user", "SLEEP 20\nSAY late")]


@pytest.mark.parametrize("kind", ["web", "worker"])
def test_sigterm_lets_active_turns_end(model, secret, conversations, kind):
    takes = "true" if kind == "web" else "false"
    answers = []
    path = f"conversations/{conversations[0].pk}/messages"

    def send(url):
        answers.append(post(url, secret, path, {"input": "HOLD\nSAY done", "streaming": False}))

    with web_server(model, RUN_TURNS_IN_WEB=takes) as (web, url), worker(model) as working:
        thread = threading.Thread(target=send, args=(url,))
        thread.start()
        until(
            lambda: Run.objects.filter(status="running").exists(), seconds=60, what="a run starts"
        )
        stopped = web if kind == "web" else working
        stopped.send_signal(signal.SIGTERM)
        until(
            lambda: any("Shutting down" in line for line in stopped.lines),
            seconds=60,
            what="the shutdown starts",
        )
        assert stopped.poll() is None
        model.go_on()
        thread.join()
        assert stopped.wait(40) in (0, -signal.SIGTERM)

    assert answers[0].json()["messages"][0]["content"] == "done"
    run = Run.objects.get()
    assert (run.status, run.stop_reason) == ("completed", "end_turn")


@pytest.mark.parametrize("kind", ["web", "worker"])
def test_sigterm_hands_long_turn_to_another_process(model, secret, conversations, kind):
    path = f"conversations/{conversations[0].pk}/messages"
    streams = []

    def send(url):
        body = {"input": "HOLD\nSAY done", "stream_tokens": True}
        streams.append(post(url, secret, path, body).text)

    with contextlib.ExitStack() as stack:
        if kind == "web":
            stopped, url = stack.enter_context(web_server(model, SHUTDOWN_GRACE="6"))
        else:
            stopped = stack.enter_context(worker(model, SHUTDOWN_GRACE="6"))
            _, url = stack.enter_context(web_server(model, RUN_TURNS_IN_WEB="false"))
        thread = threading.Thread(target=send, args=(url,))
        thread.start()
        until(lambda: model.requests, seconds=60, what="the model is called")
        stopped.send_signal(signal.SIGTERM)
        until(lambda: Run.objects.filter(status="created").exists(), seconds=60, what="released")
        assert stopped.wait(40) in (0, -signal.SIGTERM)
        model.go_on()
        if kind == "web":
            _, url = stack.enter_context(web_server(model))
        else:
            stack.enter_context(worker(model))
        until(lambda: not Run.objects.active().exists(), seconds=60, what="the run is resumed")
        thread.join()
        run = Run.objects.get()
        assert (run.status, run.attempts) == ("completed", 2)
        if kind == "web":
            assert "starting_after" in streams[0]
            assert "[DONE]" not in streams[0]
            streams[0] = post(url, secret, f"runs/{run.pk}/stream").text

    assert streams[0].endswith("data: [DONE]\n\n")
    assert texts(conversations[0]) == [("user", "HOLD\nSAY done"), ("assistant", "done")]


@contextlib.contextmanager
def database_outage():
    """Refuse connections to the test's database, after ending the present ones."""
    name = connection.settings_dict["NAME"]
    parameters = {**connection.get_connection_params(), "dbname": "postgres", "autocommit": True}
    connection.close()
    connection.close_pool()
    with psycopg.connect(**parameters) as other:
        other.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
        )
        try:
            yield
        finally:
            other.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')


@pytest.mark.postgres_only
def test_database_outage_cuts_no_stream(model, secret, conversations):
    with web_server(model, RUN_TURNS_IN_WEB="false") as (_, url), worker(model) as working:
        threads, streams = start_all(url, secret, conversations[:3])
        until(lambda: Message.objects.filter(role="tool").count() == 3, seconds=60, what="tools")
        with database_outage():
            until(
                lambda: any("database is not available" in line for line in working.lines),
                seconds=60,
                what="the worker retries",
            )
        for thread in threads:
            thread.join()
        # The worker claims runs again.
        later, more = start_all(url, secret, conversations[3:4])
        for thread in later:
            thread.join()

    assert set(Run.objects.values_list("status", "attempts")) == {("completed", 1)}
    streams += more
    assert len(streams) == 4
    for text in streams:
        check_stream(text)
    assert list(find_breaches()) == []
