import pytest

from conversations.domain.conversations.agents import detach_block
from conversations.domain.conversations.conversations import delete_conversation
from conversations.domain.memory.blocks import write_block
from conversations.models import Block, Conversation

from ..factories import actor, make_agent, make_conversation, make_messages
from .stored_rows import stored


def test_create_returns_whole_conversation(client_for, alice):
    agent = make_agent(alice, labels=["human", "persona"])

    reply = client_for(alice).post(
        f"/v1/conversations/?agent_id={agent.pk}",
        {
            "summary": "about tea",
            "description": "a test",
            "isolated_block_labels": ["persona", "human"],
            "model": "openai/gpt-4o",
            "model_settings": {"provider_type": "openai", "temperature": 0.5},
            "context_window_limit": 8000,
        },
    )

    conversation = Conversation.objects.get(is_default=False)
    persona, human = conversation.isolations.in_order()
    assert reply.status_code == 200
    assert reply.json() == {
        "id": conversation.pk,
        "agent_id": agent.pk,
        "summary": "about tea",
        "description": "a test",
        "in_context_message_ids": [conversation.messages.get().pk],
        "isolated_block_ids": [persona.block_id, human.block_id],
        "model": "openai/gpt-4o",
        "model_settings": {"provider_type": "openai", "temperature": 0.5},
        "context_window_limit": 8000,
        "archived": False,
        "archived_at": None,
        "hidden": False,
        "version": 1,
        "stale": False,
        "forked_from": None,
        "last_message_at": None,
        "created_at": f"{conversation.created_at:%Y-%m-%dT%H:%M:%S.%fZ}",
        "updated_at": f"{conversation.updated_at:%Y-%m-%dT%H:%M:%S.%fZ}",
        "created_by_id": alice.pk,
        "last_updated_by_id": alice.pk,
    }
    assert (persona.label, human.label) == ("persona", "human")


def test_create_without_body(client_for, alice):
    agent = make_agent(alice, labels=["human"])

    reply = client_for(alice).post(f"/v1/conversations/?agent_id={agent.pk}")

    assert reply.status_code == 200
    assert (reply.json()["summary"], reply.json()["isolated_block_ids"]) == (None, [])


def test_responses_list_messages_in_context(client_for, alice):
    """V1 filled the list only when a conversation was retrieved."""
    agent = make_agent(alice)
    client = client_for(alice)
    made = client.post(f"/v1/conversations/?agent_id={agent.pk}").json()
    path = f"/v1/conversations/{made['id']}"

    answers = [
        made,
        client.get(path).json(),
        client.patch(path, {"summary": "x"}).json(),
        client.get("/v1/conversations/").json()[0],
    ]

    system = Conversation.objects.get(pk=made["id"]).messages.get()
    assert [answer["in_context_message_ids"] for answer in answers] == [[system.pk]] * 4
    assert len(client.post(f"{path}/fork").json()["in_context_message_ids"]) == 1


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["nolabel"], "Block with label 'nolabel' not found on agent '{agent}'; "
                      "its labels are 'human', 'persona'"),
        (["human", "nolabel"], "Block with label 'nolabel' not found on agent '{agent}'; "
                               "its labels are 'human', 'persona'"),
        (["human", "human"], "Labels named more than once: 'human'"),
    ],
)  # fmt: skip
def test_create_with_invalid_labels_stores_nothing(client_for, alice, labels, expected):
    """V1 stored a conversation without messages, and orphaned blocks."""
    agent = make_agent(alice, labels=["human", "persona"])
    before = stored()

    reply = client_for(alice).post(
        f"/v1/conversations/?agent_id={agent.pk}", {"isolated_block_labels": labels}
    )

    assert reply.status_code == 400
    assert reply.json() == {"detail": f"INVALID_ARGUMENT: {expected.format(agent=agent.pk)}"}
    assert stored() == before


@pytest.mark.parametrize(
    ("agent_id", "expected"),
    [
        ("agent-1", "Agent not found: agent_id 'agent-1', expected agent-<uuid4>"),
        ("", "Agent not found: agent_id '', expected agent-<uuid4>"),
    ],
)
def test_create_for_unknown_agent_is_404(client_for, alice, agent_id, expected):
    reply = client_for(alice).post(f"/v1/conversations/?agent_id={agent_id}")

    assert (reply.status_code, reply.json()) == (404, {"detail": expected})


def test_create_without_agent_id_is_422(client_for, alice):
    reply = client_for(alice).post("/v1/conversations/", {"agent_id": make_agent(alice).pk})

    assert (reply.status_code, reply.json()) == (422, {"detail": "agent_id: field required"})


def test_create_isolates_labels_of_agent_policy(client_for, alice):
    agent = make_agent(alice, labels=["human", "persona", "todo"], isolated_labels=["todo"])

    reply = client_for(alice).post(
        f"/v1/conversations/?agent_id={agent.pk}", {"isolated_block_labels": ["human"]}
    )

    labels = [Block.objects.get(pk=pk).label for pk in reply.json()["isolated_block_ids"]]
    assert labels == ["human", "todo"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("summary", "about tea"),
        ("description", "what for"),
        ("model", "openai/gpt-4o"),
        ("model_settings", {"provider_type": "openai", "temperature": 1}),
        ("context_window_limit", 4000),
        ("last_message_at", "2026-01-02T03:04:05.000006Z"),
    ],
)
def test_update_sets_keeps_and_clears_field(client_for, alice, field, value):
    """V1 ignored null."""
    conversation = make_conversation(make_agent(alice))
    client, path = client_for(alice), f"/v1/conversations/{conversation.pk}"

    answers = [client.patch(path, body).json() for body in ({field: value}, {}, {field: None})]

    assert [answer[field] for answer in answers] == [value, value, None]
    assert client.get(path).json() == answers[-1]
    assert [a["updated_at"] for a in answers] == sorted({a["updated_at"] for a in answers})


def test_update_flag_with_null_changes_nothing(client_for, alice):
    conversation = make_conversation(make_agent(alice), hidden=True)

    reply = client_for(alice).patch(
        f"/v1/conversations/{conversation.pk}", {"hidden": None, "archived": None}
    )

    assert (reply.json()["hidden"], reply.json()["archived"]) == (True, False)


def test_archive_and_unarchive(client_for, alice):
    conversation = make_conversation(make_agent(alice))
    client, path = client_for(alice), f"/v1/conversations/{conversation.pk}"
    listed = {}

    archived = client.patch(path, {"archived": True}).json()
    for status in ("unarchived", "archived", "all"):
        listed[status] = len(client.get(f"/v1/conversations/?archive_status={status}").json())
    back = client.patch(path, {"archived": False}).json()

    assert (archived["archived"], archived["archived_at"] is None) == (True, False)
    assert listed == {"unarchived": 0, "archived": 1, "all": 1}
    assert (back["archived"], back["archived_at"]) == (False, None)


def test_update_ignores_unknown_fields(client_for, alice):
    conversation = make_conversation(make_agent(alice), summary="kept")
    before = client_for(alice).get(f"/v1/conversations/{conversation.pk}").json()

    reply = client_for(alice).patch(
        f"/v1/conversations/{conversation.pk}", {"id": "conv-1", "agent_id": "x", "is_default": 1}
    )

    changes = {name: reply.json().get(name) for name in ("updated_at", "warnings")}
    assert reply.json() == {**before, **changes}
    assert len(changes["warnings"]) == 3


@pytest.mark.parametrize("model", ["", "gpt-4o", "/gpt-4o", "openai/"])
def test_malformed_model_handle_is_rejected(client_for, alice, model):
    """V1 stored an empty handle."""
    conversation = make_conversation(make_agent(alice))
    before = stored()

    reply = client_for(alice).patch(f"/v1/conversations/{conversation.pk}", {"model": model})

    assert reply.status_code == 400
    assert reply.json() == {
        "detail": "INVALID_ARGUMENT: The model handle should be in the format "
        f"provider/model-name, got {model!r}"
    }
    assert stored() == before


def test_delete_hides_isolated_blocks(client_for, alice):
    agent = make_agent(alice, labels=["human"])
    conversation = make_conversation(agent, isolated=["human"])
    [message] = make_messages(conversation, "hello")
    own = conversation.isolated_blocks.get().pk
    client, path = client_for(alice), f"/v1/conversations/{conversation.pk}"

    reply = client.delete(path)

    assert (reply.status_code, reply.json()) == (200, None)
    gone = [path, f"{path}/blocks", f"{path}/messages", f"/v1/blocks/{own}"]
    gone += [f"/v1/messages/{message.pk}"]
    assert [client.get(one).status_code for one in gone] == [404] * 5
    assert client.delete(path).status_code == 404
    assert client.get("/v1/conversations/").json() == []
    assert client.get("/v1/blocks/count?include_isolated=true").json() == 1


def test_restore_returns_isolated_blocks(client_for, alice):
    agent = make_agent(alice, labels=["human"])
    conversation = make_conversation(agent, isolated=["human"])
    own = conversation.isolated_blocks.get().pk
    client, path = client_for(alice), f"/v1/conversations/{conversation.pk}"
    before = client.get(path).json()
    client.delete(path)

    reply = client.post(f"{path}/restore")

    assert reply.json() == {**before, "updated_at": reply.json()["updated_at"]}
    assert client.get(f"/v1/blocks/{own}").json()["value"] == "about human"


def test_restore_conflicts_when_agent_is_deleted(client_for, alice):
    agent = make_agent(alice)
    conversation = make_conversation(agent)
    delete_conversation(conversation, by=actor(alice))
    client = client_for(alice)
    client.delete(f"/v1/agents/{agent.pk}")

    reply = client.post(f"/v1/conversations/{conversation.pk}/restore")

    assert reply.status_code == 409
    assert reply.json() == {
        "detail": f"Agent '{agent.pk}' of this conversation is deleted; restore it first"
    }


def test_effective_blocks_of_conversation(client_for, alice):
    agent = make_agent(alice, labels=["human", "persona"])
    conversation = make_conversation(agent, isolated=["human"])
    own = write_block(conversation.isolated_blocks.get(), by=actor(alice), value="Bob")
    client = client_for(alice)

    reply = client.get(f"/v1/conversations/{conversation.pk}/blocks")

    human, persona = (agent.blocks.get(label=label) for label in ("human", "persona"))
    assert reply.json() == [
        {
            "label": "human",
            "origin": "isolated",
            "block": client.get(f"/v1/blocks/{own.pk}").json(),
            "version": 2,
            "shared_block_id": human.pk,
            "drift": "isolated_changed",
        },
        {
            "label": "persona",
            "origin": "shared",
            "block": client.get(f"/v1/blocks/{persona.pk}").json(),
            "version": 1,
            "shared_block_id": persona.pk,
            "drift": None,
        },
    ]


def test_isolated_block_survives_detached_label(client_for, alice):
    """V1 removed it from the prompt when the agent detached the label."""
    agent = make_agent(alice, labels=["human"])
    conversation = make_conversation(agent, isolated=["human"])
    write_block(conversation.isolated_blocks.get(), by=actor(alice), value="my own Bob")
    client, path = client_for(alice), f"/v1/conversations/{conversation.pk}"

    detach_block(agent, agent.blocks.get(), by=actor(alice))

    [block] = client.get(f"{path}/blocks").json()
    assert (block["origin"], block["drift"], block["shared_block_id"]) == (
        "isolated", "shared_gone", None,
    )  # fmt: skip
    assert "my own Bob" in client.post(f"{path}/recompile").json()


def test_list_filters_by_agent_and_excludes_hidden(client_for, alice):
    agent, other = make_agent(alice), make_agent(alice)
    shown = make_conversation(agent)
    hidden = make_conversation(agent, hidden=True)
    make_conversation(other)
    client = client_for(alice)

    plain = client.get(f"/v1/conversations/?agent_id={agent.pk}").json()
    every = client.get(f"/v1/conversations/?agent_id={agent.pk}&show_hidden=true").json()

    assert [c["id"] for c in plain] == [shown.pk]
    assert [c["id"] for c in every] == [hidden.pk, shown.pk]


@pytest.mark.parametrize(
    ("words", "found"),
    [("tea", 1), ("TEA", 1), ("%", 1), ("_", 1), ("100%", 1), ("a_b", 1), ("axb", 0), ("\\", 1)],
)
def test_summary_search_is_literal_and_ignores_case(client_for, alice, words, found):
    r"""V1's search was case-sensitive and treated % and _ as wildcards."""
    agent = make_agent(alice)
    make_conversation(agent, summary=r"Tea, 100% and a_b or a\b")
    make_conversation(agent, summary="nothing")
    make_conversation(agent)

    reply = client_for(alice).get("/v1/conversations/", {"summary_search": words})

    assert len(reply.json()) == found
