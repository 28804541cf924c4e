"""What a step keeps of its call of the model: trace, durations and feedback."""

import pytest

from conversations.domain.retention import remove_events
from conversations.domain.turns.reply import ModelReply
from conversations.domain.turns.traces import MAX_TRACE_SIZE, trace_of
from conversations.llm.requests import ModelRequest
from conversations.models import Run, Step

from ..factories import make_agent, make_conversation
from ..script import call, fail, say, script

pytestmark = pytest.mark.django_db(transaction=True)

INSERT_THEN_SAY = script(call("memory_insert", label="human", new_string="x"), say("ok"))


@pytest.fixture
def client(client_for, alice, model):
    return client_for(alice)


@pytest.fixture
def conversation(alice):
    return make_conversation(make_agent(alice, labels=["human"], tools=["memory_insert"]))


def send(client, conversation, text):
    path = f"/v1/conversations/{conversation.pk}/messages"
    return client.post(path, {"input": text, "streaming": False}).json()


def test_trace_is_what_the_provider_received(client, conversation, model):
    send(client, conversation, INSERT_THEN_SAY)
    first, second = Step.objects.order_by("number")

    traces = [client.get(f"/v1/steps/{step.pk}/trace").json() for step in (first, second)]

    received = [request["messages"] for request in model.requests]
    assert [trace["request_json"]["messages"] for trace in traces] == received
    assert [trace["request_json"]["tools"] for trace in traces] == [
        request["tools"] for request in model.requests
    ]
    replies = [trace["response_json"]["choices"][0]["message"] for trace in traces]
    assert replies[0]["tool_calls"][0]["function"]["name"] == "memory_insert"
    assert replies[1]["content"] == "ok"
    assert traces[0]["response_json"]["usage"]["total_tokens"] > 0


def test_metrics_and_spans_have_durations(client, conversation):
    send(client, conversation, INSERT_THEN_SAY)
    run = Run.objects.get()
    first, second = Step.objects.order_by("number")

    metrics = [client.get(f"/v1/steps/{step.pk}/metrics").json() for step in (first, second)]
    spans = client.get(f"/v1/runs/{run.pk}/trace").json()

    assert all(each["llm_request_ns"] > 0 for each in metrics)
    assert [each["tool_execution_ns"] is None for each in metrics] == [False, True]
    assert metrics[0]["step_ns"] == sum(
        metrics[0][name] for name in ("llm_request_ns", "tool_execution_ns")
    )
    names = [span["span_name"] for span in spans]
    assert names == ["run", "time_to_first_token", "agent_step", "agent_step"]
    assert [span["parent_span_id"] for span in spans] == [None, run.pk, run.pk, run.pk]
    assert len(client.get(f"/v1/runs/{run.pk}/trace?limit=2").json()) == 2


def test_trace_is_not_kept_if_the_setting_says_so(client, conversation, configure):
    configure(STEP_TRACES=False)
    send(client, conversation, say("ok"))

    step = Step.objects.get()

    assert client.get(f"/v1/steps/{step.pk}/trace").json() is None
    assert client.get(f"/v1/steps/{step.pk}/metrics").json()["llm_request_ns"] > 0


def test_trace_goes_with_the_events(client, conversation, configure):
    send(client, conversation, say("ok"))
    configure(EVENT_RETENTION=1e-9)

    assert remove_events() == 1

    assert client.get(f"/v1/steps/{Step.objects.get().pk}/trace").json() is None


def test_failed_step_has_no_trace(client, conversation):
    send(client, conversation, fail(400))

    assert client.get(f"/v1/steps/{Step.objects.get().pk}/trace").json() is None


@pytest.mark.parametrize("size", [10, 10_000, 3 * MAX_TRACE_SIZE])
def test_trace_is_bounded(size):
    texts = [f"{number} " + "x" * size for number in range(60)]
    messages = [{"role": "system", "content": "prompt"}]
    messages += [{"role": "user", "content": text} for text in texts]

    trace = trace_of(ModelRequest("a/b", messages), ModelReply(""), "a/b")

    kept = trace["request"]["messages"]
    assert sum(len(str(message)) for message in kept) <= 2 * MAX_TRACE_SIZE
    assert kept[0] == messages[0]
    if size < MAX_TRACE_SIZE:
        assert kept[-1] == messages[-1]
    assert (kept == messages) == (size == 10)


def test_feedback_is_stored_found_and_cleared(client, conversation):
    send(client, conversation, say("one"))
    send(client, conversation, say("two"))
    newest, oldest = (row["id"] for row in client.get("/v1/steps/").json())

    set_ = client.patch(
        f"/v1/steps/{newest}/feedback", {"feedback": "negative", "tags": ["wrong"]}
    ).json()
    found = {
        query: [row["id"] for row in client.get(f"/v1/steps/?{query}").json()]
        for query in (
            "feedback=negative",
            "feedback=positive",
            "has_feedback=true",
            "has_feedback=false",
            "tags=wrong",
        )
    }
    cleared = client.patch(f"/v1/steps/{newest}/feedback", {"feedback": None}).json()

    assert (set_["feedback"], set_["tags"]) == ("negative", ["wrong"])
    assert list(found.values()) == [[newest], [], [newest], [oldest], [newest]]
    assert (cleared["feedback"], cleared["tags"]) == (None, ["wrong"])
    refused = client.patch(f"/v1/steps/{newest}/feedback", {"feedback": "great"})
    assert refused.status_code == 422
