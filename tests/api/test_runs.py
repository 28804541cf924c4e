from datetime import UTC, datetime

import pytest

from ..factories import make_agent, make_conversation, make_run


def test_run_on_the_wire(client_for, alice):
    conversation = make_conversation(make_agent(alice))
    run = make_run(
        conversation,
        status="completed",
        stop_reason="end_turn",
        completed_at=datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC),
        metadata={"run_type": "send"},
        total_duration_ns=2**40,
    )

    reply = client_for(alice).get(f"/v1/runs/{run.pk}")

    assert reply.json() == {
        "id": run.pk,
        "status": "completed",
        "agent_id": conversation.agent_id,
        "conversation_id": conversation.pk,
        "background": False,
        "metadata": {"run_type": "send"},
        "error": None,
        "request_config": {},
        "stop_reason": "end_turn",
        "created_at": f"{run.created_at:%Y-%m-%dT%H:%M:%S.%fZ}",
        "completed_at": "2026-01-02T03:04:05.000006",
        "ttft_ns": None,
        "total_duration_ns": 2**40,
        "base_template_id": None,
        "callback_url": None,
        "callback_sent_at": None,
        "callback_status_code": None,
        "callback_error": None,
    }


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["running", "failed", "completed"]),
        ("active=true", ["running"]),
        ("statuses=failed&statuses=running", ["running", "failed"]),
        ("background=true", ["failed"]),
        ("background=false", ["running", "completed"]),
        ("stop_reason=end_turn", ["completed"]),
        ("agent_id={agent}", ["failed", "completed"]),
        ("agent_ids={agent}", ["failed", "completed"]),
        ("conversation_id={conv}", ["failed", "completed"]),
        ("ascending=true", ["completed", "failed", "running"]),
        ("order=asc", ["completed", "failed", "running"]),
    ],
)
def test_runs_filter(client_for, alice, query, found):
    conversation, other = (make_conversation(make_agent(alice)) for _ in range(2))
    make_run(conversation, status="completed", stop_reason="end_turn")
    make_run(conversation, status="failed", background=True)
    make_run(other, status="running")
    query = query.format(agent=conversation.agent_id, conv=conversation.pk)

    reply = client_for(alice).get(f"/v1/runs/?{query}")

    assert [run["status"] for run in reply.json()] == found


def test_runs_of_deleted_conversation_are_hidden(client_for, alice):
    conversation = make_conversation(make_agent(alice))
    run = make_run(conversation)
    client = client_for(alice)

    client.delete(f"/v1/conversations/{conversation.pk}")

    assert client.get("/v1/runs/").json() == []
    assert client.get(f"/v1/runs/{run.pk}").status_code == 404


@pytest.mark.parametrize("name", ["agent_id", "conversation_id", "agent_ids", "statuses"])
def test_malformed_filter_is_422(client_for, alice, name):
    reply = client_for(alice).get(f"/v1/runs/?{name}=nonsense")

    assert reply.status_code == 422
    assert reply.json()["detail"].startswith(name)


def test_failed_run_says_why(client_for, alice):
    why = {"error_type": "worker_died", "error": "It is lost."}
    run = make_run(make_conversation(make_agent(alice)), status="failed", **why)

    shown = client_for(alice).get(f"/v1/runs/{run.pk}").json()

    assert shown["error"] == {"type": "worker_died", "message": "It is lost."}
    assert shown["metadata"] == {"error": shown["error"]}
