import pytest

from conversations.models import Block

from ..factories import make_agent, make_block, make_conversation
from .stored_rows import stored


def test_create_block_with_defaults(client_for, alice):
    """V1 returned a default description for `human` without storing it."""
    reply = client_for(alice).post("/v1/blocks/", {"label": "human"})

    expected = {
        "id": Block.objects.get().pk,
        "label": "human",
        "value": "",
        "limit": 100_000,
        "description": None,
        "metadata": {},
        "read_only": False,
        "copy_on_write": False,
        "tags": [],
        "hidden": None,
        "version": 1,
        "is_template": False,
        "template_name": None,
        "template_id": None,
        "base_template_id": None,
        "deployment_id": None,
        "entity_id": None,
        "preserve_on_migration": False,
        "project_id": None,
        "created_by_id": alice.pk,
        "last_updated_by_id": alice.pk,
    }
    assert (reply.status_code, reply.json()) == (200, expected)
    assert client_for(alice).get(f"/v1/blocks/{expected['id']}").json() == expected


FIELDS = {
    "label": "system/human",
    "value": "Ünïcode 茶 🍵\r\n\t",
    "limit": 500,
    "description": "what for",
    "metadata": {"a": [1, 2.5, None, {"b": True}], "": "", "big": 2**62},
    "read_only": True,
    "tags": ["b", "a"],
    "hidden": True,
    "is_template": True,
    "template_name": "t",
    "project_id": "p",
}


def test_create_block_stores_every_field(client_for, alice):
    made = client_for(alice).post("/v1/blocks/", FIELDS).json()

    read = client_for(alice).get(f"/v1/blocks/{made['id']}").json()
    assert made == read
    assert {name: read[name] for name in FIELDS} == FIELDS


@pytest.mark.parametrize("field", FIELDS)
def test_update_changes_only_given_fields(client_for, alice, field):
    block = make_block(alice, label="human", value="old")
    client, path = client_for(alice), f"/v1/blocks/{block.pk}"
    before = client.get(path).json()

    changed = client.patch(path, {field: FIELDS[field]}).json()

    assert changed == client.get(path).json() == {**before, field: FIELDS[field], "version": 2}


@pytest.mark.parametrize("field", [name for name in FIELDS if name != "description"])
def test_update_with_null_changes_nothing(client_for, alice, field):
    client = client_for(alice)
    made = client.post("/v1/blocks/", FIELDS).json()

    changed = client.patch(f"/v1/blocks/{made['id']}", {field: None}).json()

    assert changed == made


def test_update_with_null_clears_description(client_for, alice):
    """V1 ignored it."""
    block = make_block(alice, description="what for")

    changed = client_for(alice).patch(f"/v1/blocks/{block.pk}", {"description": None}).json()

    assert (changed["description"], changed["version"]) == (None, 2)


def test_update_replaces_tags(client_for, alice):
    block = make_block(alice, tags=["a", "b"])
    client, path = client_for(alice), f"/v1/blocks/{block.pk}"

    answers = [client.patch(path, {"tags": tags}).json()["tags"] for tags in (["c"], [])]

    assert answers == [["c"], []]


@pytest.fixture
def paths(alice) -> dict[str, str]:
    """Return every path that writes the agent's block `human`, which has 11 characters."""
    agent = make_agent(alice, labels=["human"])
    conversation = make_conversation(agent, isolated=["human"])
    return {
        "block": f"/v1/blocks/{agent.blocks.get().pk}",
        "isolated block": f"/v1/blocks/{conversation.isolated_blocks.get().pk}",
        "core memory": f"/v1/agents/{agent.pk}/core-memory/blocks/human",
    }


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            {"value": "x" * 13, "limit": 12},
            "value: expected at most 12 characters in block 'human', got 13",
        ),
        (
            {"value": "x" * 100_001},
            "value: expected at most 100000 characters in block 'human', got 100001",
        ),
        ({"limit": 10}, "value: expected at most 10 characters in block 'human', got 11"),
        ({"limit": 0}, "limit: expected at least 1, got 0"),
        ({"limit": -5}, "limit: expected at least 1, got -5"),
        ({"limit": 2**31}, "limit: expected at most 2147483647, got 2147483648"),
    ],
)
@pytest.mark.parametrize("name", ["block", "isolated block", "core memory"])
def test_limit_is_enforced_on_every_path(client_for, alice, paths, name, body, expected):
    """V1 did not enforce limits."""
    before = stored()

    reply = client_for(alice).patch(paths[name], body)

    assert (reply.status_code, reply.json()) == (422, {"detail": expected})
    assert stored() == before


def test_create_block_over_limit_is_rejected(client_for, alice):
    before = stored()

    reply = client_for(alice).post("/v1/blocks/", {"label": "a", "value": "茶茶茶", "limit": 2})

    assert reply.status_code == 422
    assert reply.json() == {"detail": "value: expected at most 2 characters in block 'a', got 3"}
    assert stored() == before


def test_limit_counts_characters(client_for, alice):
    reply = client_for(alice).post("/v1/blocks/", {"label": "a", "value": "茶🍵", "limit": 2})

    assert reply.status_code == 200


@pytest.mark.parametrize("label", ["a" * 201, "a\0b", None, 5])
def test_invalid_label_is_rejected(client_for, alice, label):
    reply = client_for(alice).post("/v1/blocks/", {"label": label})

    assert reply.status_code == 422
    assert reply.json()["detail"].startswith("label: ")
    assert Block.objects.count() == 0


def test_rename_to_label_of_agent_conflicts(client_for, alice):
    """V1 returned the SQL error."""
    agent = make_agent(alice, labels=["human", "persona"])
    before = stored()

    reply = client_for(alice).patch(
        f"/v1/blocks/{agent.blocks.get(label='human').pk}", {"label": "persona", "value": "x"}
    )

    assert reply.status_code == 409
    assert reply.json() == {
        "detail": f"Agent '{agent.pk}' already has a block with label 'persona'; "
        "detach that one or use another label"
    }
    assert stored() == before


def test_rename_changes_label_for_every_agent(client_for, alice):
    agent = make_agent(alice, labels=["human"])
    client = client_for(alice)

    client.patch(f"/v1/blocks/{agent.blocks.get().pk}", {"label": "user"})

    assert client.get(f"/v1/agents/{agent.pk}/core-memory/blocks/user").status_code == 200
    assert "<user>" in agent.conversations.get().messages.get().text


def test_delete_block_detaches_it(client_for, alice):
    agent = make_agent(alice, labels=["human"])
    conversation = make_conversation(agent, isolated=["human"])
    client, path = client_for(alice), f"/v1/blocks/{agent.blocks.get().pk}"

    reply = client.delete(path)

    assert (reply.status_code, reply.json()) == (200, None)
    assert [client.get(path).status_code, client.delete(path).status_code] == [404, 404]
    assert client.get(f"/v1/agents/{agent.pk}/core-memory/blocks").json() == []
    assert "<human>" not in agent.conversations.get(is_default=True).messages.get().text
    [kept] = client.get(f"/v1/conversations/{conversation.pk}/blocks").json()
    assert (kept["block"]["value"], kept["drift"]) == ("about human", "shared_gone")


def test_isolated_block_copies_shared_fields(client_for, alice):
    """V1 dropped the tags."""
    client = client_for(alice)
    agent = make_agent(alice)
    said = {**FIELDS, "is_template": False, "template_name": None}
    shared = client.post("/v1/blocks/", said).json()
    client.patch(f"/v1/agents/{agent.pk}/core-memory/blocks/attach/{shared['id']}")

    conversation = client.post(
        f"/v1/conversations/?agent_id={agent.pk}", {"isolated_block_labels": ["system/human"]}
    ).json()

    own = client.get(f"/v1/blocks/{conversation['isolated_block_ids'][0]}").json()
    assert own == {**shared, "id": own["id"]}


@pytest.fixture
def isolated(alice) -> Block:
    agent = make_agent(alice, labels=["human"])
    return make_conversation(agent, isolated=["human"]).isolated_blocks.get()


def test_list_excludes_isolated_blocks(client_for, alice, isolated):
    """V1 listed and counted it, also among blocks without an agent."""
    client = client_for(alice)
    queries = ["", "?connected_to_agents_count_eq=0", "?include_isolated=true"]

    lists = [[b["id"] for b in client.get(f"/v1/blocks/{q}").json()] for q in queries]
    counts = [client.get(f"/v1/blocks/count{q}").json() for q in queries]

    [shared] = Block.objects.ordinary()
    assert lists == [[shared.pk], [], [shared.pk, isolated.pk]]
    assert counts == [1, 0, 2]


def test_isolated_block_cannot_be_attached(client_for, alice, isolated):
    """V1 turned it into a shared block."""
    agent = make_agent(alice)
    before = stored()
    client = client_for(alice)

    replies = [
        client.patch(f"/v1/agents/{agent.pk}/core-memory/blocks/attach/{isolated.pk}"),
        client.patch(f"/v1/agents/{agent.pk}", {"block_ids": [isolated.pk]}),
    ]
    made = client.post("/v1/agents/", {"model": "a/b", "block_ids": [isolated.pk]})

    expected = f"Block '{isolated.pk}' is isolated in conversation '{isolated.conversation_id}'"
    assert [reply.status_code for reply in (*replies, made)] == [409, 409, 409]
    assert [reply.json() for reply in replies] == [
        {"detail": f"{expected}: it can't be attached to agent '{agent.pk}'"}
    ] * 2
    assert stored() == before


def test_isolated_block_cannot_be_renamed(client_for, alice, isolated):
    """V1 renamed it, so the conversation silently lost it."""
    before = stored()

    reply = client_for(alice).patch(f"/v1/blocks/{isolated.pk}", {"label": "persona"})

    assert reply.status_code == 409
    assert reply.json() == {
        "detail": f"Block '{isolated.pk}' is isolated in conversation "
        f"'{isolated.conversation_id}': it can't take another label; it stands in for that one"
    }
    assert stored() == before


def test_isolated_block_cannot_be_deleted(client_for, alice, isolated):
    """V1 deleted it, so the conversation silently read the shared block again."""
    before = stored()

    reply = client_for(alice).delete(f"/v1/blocks/{isolated.pk}")

    assert reply.status_code == 409
    assert reply.json() == {
        "detail": f"Block '{isolated.pk}' is isolated in conversation "
        f"'{isolated.conversation_id}': it can't be deleted; release its label there instead"
    }
    assert stored() == before


def test_isolated_block_has_no_agents(client_for, alice, isolated):
    reply = client_for(alice).get(f"/v1/blocks/{isolated.pk}/agents")

    assert (reply.status_code, reply.json()) == (200, [])
