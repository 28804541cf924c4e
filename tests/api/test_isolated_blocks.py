import pytest

from conversations.domain.memory.blocks import write_block

from ..factories import actor, make_agent, make_conversation


@pytest.fixture
def agent(alice):
    blocks = [{"label": "system/human", "value": "one\ntwo"}, {"label": "persona", "value": "p"}]
    return make_agent(alice, memory_blocks=blocks)


@pytest.fixture
def conversation(agent):
    return make_conversation(agent, isolated=["system/human"])


def path_to(conversation, ending="", label="system/human"):
    return f"/v1/conversations/{conversation.pk}/isolated-blocks/{label}{ending}"


def shared_of(conversation):
    return conversation.agent.block_links.get(label="system/human").block


def own_of(conversation):
    return conversation.isolations.get(label="system/human").block


def test_effective_blocks_have_origin_and_drift(client_for, alice, conversation):
    write_block(own_of(conversation), by=actor(), value="mine")

    reply = client_for(alice).get(f"/v1/conversations/{conversation.pk}/blocks")

    told = [
        (e["label"], e["origin"], e["drift"], e["version"], e["block"]["value"])
        for e in reply.json()
    ]
    assert told == [
        ("system/human", "isolated", "isolated_changed", 2, "mine"),
        ("persona", "shared", None, 1, "p"),
    ]
    assert reply.json()[0]["shared_block_id"] == shared_of(conversation).pk


def test_label_is_isolated_edited_and_released(client_for, alice, agent):
    client = client_for(alice)
    conversation = make_conversation(agent)

    isolated = client.put(path_to(conversation), {"value": "first"}).json()
    again = client.put(path_to(conversation)).json()
    edited = client.patch(path_to(conversation), {"value": "second"}).json()
    released = client.delete(path_to(conversation)).json()

    assert (isolated["origin"], isolated["drift"]) == ("isolated", "isolated_changed")
    assert isolated["block"]["value"] == "first"
    assert again == isolated
    assert (edited["block"]["value"], edited["version"]) == ("second", 2)
    assert (released["origin"], released["block"]["value"]) == ("shared", "one\ntwo")
    # The isolated block is no longer in force and is hidden.
    assert client.get(f"/v1/blocks/{isolated['block']['id']}").status_code == 404


def test_isolate_again_with_other_value_conflicts(client_for, alice, conversation):
    reply = client_for(alice).put(path_to(conversation), {"value": "other"})

    assert reply.status_code == 409
    assert "has isolated 'system/human' already, with another text" in reply.json()["detail"]
    assert own_of(conversation).value == "one\ntwo"


def test_release_returns_null_when_shared_is_gone(client_for, alice, conversation):
    conversation.agent.block_links.get(label="system/human").delete()

    reply = client_for(alice).delete(path_to(conversation))

    assert (reply.status_code, reply.json()) == (200, None)


def test_diff_has_base_shared_and_isolated(client_for, alice, conversation):
    write_block(shared_of(conversation), by=actor(), value="one\ntwo\nthree")
    write_block(own_of(conversation), by=actor(), value="zero\ntwo")

    diff = client_for(alice).get(path_to(conversation, "/diff")).json()

    assert diff == {
        "label": "system/human",
        "drift": "diverged",
        "base": {"value": "one\ntwo", "version": 1},
        "shared": {
            "block_id": shared_of(conversation).pk,
            "value": "one\ntwo\nthree",
            "version": 2,
        },
        "isolated": {"block_id": own_of(conversation).pk, "value": "zero\ntwo", "version": 2},
        "unified": "--- shared\n+++ isolated\n@@ -1,3 +1,2 @@\n-one\n+zero\n two\n-three",
        "changes": {
            "isolated": [
                {"change": "removed", "text": "one\n"},
                {"change": "added", "text": "zero\n"},
                {"change": "same", "text": "two"},
            ],
            "shared": [
                {"change": "same", "text": "one\ntwo"},
                {"change": "added", "text": "\nthree"},
            ],
        },
    }


def test_promote_with_dry_run_conflict_and_force(client_for, alice, conversation):
    client = client_for(alice)
    write_block(shared_of(conversation), by=actor(), value="theirs")
    write_block(own_of(conversation), by=actor(), value="mine")

    refused = client.post(path_to(conversation, "/promote"))
    preview = client.post(path_to(conversation, "/promote"), {"force": True, "dry_run": True})
    between = shared_of(conversation).value
    forced = client.post(path_to(conversation, "/promote"), {"force": True})

    assert refused.status_code == 409
    assert (refused.json()["drift"], refused.json()["shared"]["version"]) == ("diverged", 2)
    assert preview.json() | {"block": None} == {
        "label": "system/human",
        "dry_run": True,
        "applied": False,
        "block": None,
        "agents": 1,
        "conversations": 1,
    }
    assert between == "theirs"
    assert (forced.json()["applied"], forced.json()["block"]["value"]) == (True, "mine")
    assert shared_of(conversation).value == "mine"


def test_reset_takes_shared_text(client_for, alice, conversation):
    client = client_for(alice)
    write_block(own_of(conversation), by=actor(), value="mine")

    preview = client.post(path_to(conversation, "/reset"), {"dry_run": True}).json()
    between = own_of(conversation).value
    done = client.post(path_to(conversation, "/reset")).json()

    assert (preview["block"]["value"], between) == ("one\ntwo", "mine")
    assert (done["block"]["value"], done["drift"]) == ("one\ntwo", "in_sync")


def test_rebase_conflict_lists_hunks(client_for, alice, conversation):
    client = client_for(alice)
    write_block(shared_of(conversation), by=actor(), value="one\nzwei")
    write_block(own_of(conversation), by=actor(), value="one\ndeux")

    refused = client.post(path_to(conversation, "/rebase"))
    resolved = client.post(path_to(conversation, "/rebase"), {"resolution": "one\nboth"})

    assert refused.status_code == 409
    assert refused.json()["conflicts"] == [{"base": "two", "shared": "zwei", "isolated": "deux"}]
    assert refused.json()["merged"].startswith("one\n<<<<<<< shared\nzwei\n")
    assert (resolved.json()["applied"], resolved.json()["conflicts"]) == (True, [])
    assert own_of(conversation).value == "one\nboth"


@pytest.mark.parametrize(
    ("method", "ending"),
    [
        ("put", ""),
        ("patch", ""),
        ("delete", ""),
        ("get", "/diff"),
        ("post", "/promote"),
        ("post", "/reset"),
        ("post", "/rebase"),
    ],
)
def test_conversation_of_other_organization_is_404(
    client_for, mallory, conversation, method, ending
):
    reply = getattr(client_for(mallory), method)(path_to(conversation, ending), {"value": "hers"})

    assert reply.status_code == 404
    assert reply.json()["detail"] == f"Conversation not found with id='{conversation.pk}'"
    assert own_of(conversation).version == 1


@pytest.mark.parametrize(("method", "status"), [("put", 400), ("patch", 404), ("delete", 404)])
def test_isolate_unknown_label_is_rejected(client_for, alice, conversation, method, status):
    client = client_for(alice)

    reply = getattr(client, method)(path_to(conversation, label="nolabel"), {"value": "x"})

    assert (reply.status_code, "'nolabel'" in reply.json()["detail"]) == (status, True)
