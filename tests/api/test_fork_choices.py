import json

import pytest

from conversations.domain.memory.blocks import write_block
from conversations.models import Conversation

from ..factories import actor, make_agent, make_conversation, make_messages


@pytest.fixture
def client(client_for, alice):
    return client_for(alice)


@pytest.fixture
def source(alice):
    return make_conversation(make_agent(alice, labels=["human"]), isolated=["human"])


def test_fork_follows_choice_for_each_label(client, source):
    write_block(source.isolations.get().block, by=actor(), value="mine")
    [message, _] = make_messages(source, "hello", "hi")

    forks = {
        choice: client.post(
            f"/v1/conversations/{source.pk}/fork",
            {"isolated_blocks": {"human": choice}, "message_id": message.pk, "hidden": True},
        ).json()
        for choice in ("copy", "share", "reset")
    }

    texts = {}
    for choice, fork in forks.items():
        [block] = client.get(f"/v1/conversations/{fork['id']}/blocks").json()
        texts[choice] = (block["origin"], block["block"]["value"])
    assert texts == {
        "copy": ("isolated", "mine"),
        "share": ("shared", "about human"),
        "reset": ("isolated", "about human"),
    }
    lineage = {"conversation_id": source.pk, "message_id": message.pk}
    assert [fork["forked_from"] for fork in forks.values()] == [lineage] * 3
    assert [fork["hidden"] for fork in forks.values()] == [True] * 3


@pytest.mark.parametrize(
    ("choices", "status", "detail"),
    [
        ({"human": "steal"}, 422, "isolated_blocks.human: expected one of 'copy', 'share', "),
        ({"\ud800": "x"}, 422, "isolated_blocks.\ud800: expected one of"),
        ({"\ud800": "share"}, 400, "its isolated labels are 'human'"),
        ({"mood": "share"}, 400, "its isolated labels are 'human'"),
        (["human"], 422, "isolated_blocks: "),
    ],
)
def test_fork_with_invalid_choice_stores_nothing(client, source, choices, status, detail):
    # Encoded here, because the test client can't encode a lone surrogate.
    body = json.dumps({"isolated_blocks": choices})
    path = f"/v1/conversations/{source.pk}/fork"
    reply = client.post(path, body, content_type="application/json")

    assert reply.status_code == status
    assert detail in reply.json()["detail"]
    assert not Conversation.objects.filter(forked_from=source).exists()


def test_copy_on_write_isolates_at_first_edit(client, source):
    shared = source.agent.blocks.get()
    url = f"/v1/conversations/{make_conversation(source.agent).pk}/isolated-blocks/human"
    refused = client.patch(url, {"value": "mine"})
    client.patch(f"/v1/blocks/{shared.pk}", {"copy_on_write": True})

    accepted = client.patch(url, {"value": "mine"})

    assert refused.status_code == 404
    assert (accepted.json()["origin"], accepted.json()["block"]["value"]) == ("isolated", "mine")
    shared.refresh_from_db()
    assert shared.value == "about human"


def test_released_block_is_listed_and_restored(client, source):
    url = f"/v1/conversations/{source.pk}/isolated-blocks/human"
    client.patch(url, {"value": "mine"})
    client.delete(url)

    [released] = client.get(f"{url}/released").json()
    back = client.post(f"{url}/restore", {"block_id": released["id"]})
    again = client.post(f"{url}/restore")

    assert released["value"] == "mine"
    assert (back.json()["block"]["id"], back.json()["origin"]) == (released["id"], "isolated")
    assert again.status_code == 409
    assert client.get(f"{url}/released").json() == []
