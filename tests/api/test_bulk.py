import pytest

from conversations.domain.memory.blocks import write_block

from ..factories import actor, make_agent, make_conversation


@pytest.fixture
def client(client_for, alice):
    return client_for(alice)


@pytest.fixture
def agent(alice):
    """Create an agent with two conversations, one of which has edited its isolated block."""
    agent = make_agent(alice, labels=["system/human"])
    for text in ("mine", None):
        conversation = make_conversation(agent, isolated=["system/human"], summary=text)
        if text:
            write_block(conversation.isolations.get().block, by=actor(alice), value=text)
    write_block(agent.blocks.get(), by=actor(alice), value="new for all")
    return agent


def url_of(agent, verb="rebase", label="system/human"):
    return f"/v1/agents/{agent.pk}/isolated-blocks/{label}/{verb}"


def test_rebase_all_conversations_of_agent(client, agent):
    own = agent.conversations.get(summary="mine")

    report = client.post(url_of(agent)).json()

    assert (report["label"], report["dry_run"]) == ("system/human", False)
    assert report["counts"] == {"applied": 1, "conflict": 1}
    [conflict] = [r for r in report["results"] if r["outcome"] == "conflict"]
    assert conflict["conversation_id"] == own.pk


def test_reset_by_drift_with_dry_run(client, agent):
    body = {"drift": "diverged", "dry_run": True}

    dry = client.post(url_of(agent, "reset"), body).json()
    wet = client.post(url_of(agent, "reset"), {"drift": ["diverged"]}).json()

    assert (dry["counts"], dry["dry_run"]) == ({"applied": 1}, True)
    assert wet["results"] == dry["results"]
    own = agent.conversations.get(summary="mine").isolations.get().block
    assert (own.value, own.revisions.count()) == ("new for all", 3)


@pytest.mark.parametrize(
    ("label", "body", "status", "detail"),
    [
        ("mood", {}, 400, "its labels are 'system/human'"),
        ("system/human", {"drift": "gone"}, 422, "drift.0: expected one of"),
        ("system/human", {"conversation_ids": ["conv-1"]}, 422, "conversation_ids.0: expected"),
        ("system/human", {"dry_run": 2}, 422, "dry_run: "),
    ],
)
def test_invalid_bulk_request_is_rejected(client, agent, label, body, status, detail):
    reply = client.post(url_of(agent, label=label), body)

    assert reply.status_code == status
    assert detail in reply.json()["detail"]


def test_read_key_cannot_write_in_bulk(client_for, alice, agent):
    assert client_for(alice, scope="read").post(url_of(agent)).status_code == 403


# Lists of conversations by drift


@pytest.mark.parametrize(
    ("query", "summaries"),
    [
        ("isolated_label=system/human", ["mine", None]),
        ("drift=diverged", ["mine"]),
        ("drift=shared_changed&drift=diverged", ["mine", None]),
        ("isolated_label=system/human&drift=shared_changed", [None]),
        ("isolated_label=other", []),
        ("drift=in_sync", []),
    ],
)
def test_conversations_filter_by_label_and_drift(client, agent, query, summaries):
    make_conversation(agent, summary="nothing isolated")

    found = client.get(f"/v1/conversations/?order=asc&{query}").json()

    assert [conversation["summary"] for conversation in found] == summaries


def test_unknown_drift_lists_valid_ones(client):
    reply = client.get("/v1/conversations/?drift=lost")

    assert reply.status_code == 422
    assert "in_sync" in reply.json()["detail"]
