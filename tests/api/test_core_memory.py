import pytest

from conversations.models import Block

from ..factories import make_agent, make_block, make_conversation
from .stored_rows import stored


def test_core_memory_lists_shared_blocks_in_prompt_order(client_for, alice):
    agent = make_agent(alice, labels=["persona", "human"])

    reply = client_for(alice).get(f"/v1/agents/{agent.pk}/core-memory").json()

    assert [block["label"] for block in reply.pop("blocks")] == ["persona", "human"]
    assert reply == {
        "agent_type": "letta_v1_agent",
        "git_enabled": False,
        "file_blocks": [],
        "prompt_template": "",
    }


@pytest.mark.parametrize("label", ["human", "system/human", "a/b/c-d_1"])
def test_block_is_read_and_updated_by_label(client_for, alice, label):
    agent = make_agent(alice, labels=[label])
    client, path = client_for(alice), f"/v1/agents/{agent.pk}/core-memory/blocks/{label}"

    found = client.get(path).json()
    changed = client.patch(path, {"value": "Bob", "description": None}).json()

    assert (found["label"], found["value"], found["version"]) == (label, f"about {label}", 1)
    assert changed == {**found, "value": "Bob", "version": 2}
    assert "<value>\nBob\n</value>" in agent.conversations.get().messages.get().text


@pytest.mark.parametrize("label", ["persona", "HUMAN", "%00", "%ED%A0%80", "é", "a%20b", "x/"])
@pytest.mark.parametrize("method", ["get", "patch"])
def test_unknown_label_is_404(client_for, alice, label, method):
    agent = make_agent(alice, labels=["human"])
    before = stored()

    path = f"/v1/agents/{agent.pk}/core-memory/blocks/{label}"
    reply = getattr(client_for(alice), method)(path, {"value": "x"})

    assert reply.status_code == 404
    assert reply.json()["detail"].startswith("No block with label ")
    assert reply.json()["detail"].endswith(f" found for agent '{agent.pk}'")
    assert stored() == before


def test_attach_recompiles_default_conversation(client_for, alice):
    """V1's prompt did not change until a recompile."""
    agent, block = make_agent(alice, labels=["human"]), make_block(alice, label="todo", value="tea")

    reply = client_for(alice).patch(f"/v1/agents/{agent.pk}/core-memory/blocks/attach/{block.pk}")

    assert [b["label"] for b in reply.json()["blocks"]] == ["human", "todo"]
    assert reply.json() == client_for(alice).get(f"/v1/agents/{agent.pk}").json()
    assert "<value>\ntea\n</value>" in agent.conversations.get().messages.get().text


def test_attach_twice_changes_nothing(client_for, alice):
    agent = make_agent(alice, labels=["human"])
    before = stored()

    reply = client_for(alice).patch(
        f"/v1/agents/{agent.pk}/core-memory/blocks/attach/{agent.blocks.get().pk}"
    )

    assert (reply.status_code, len(reply.json()["blocks"])) == (200, 1)
    assert stored() == before


def test_attach_conflicts_when_label_is_taken(client_for, alice):
    agent, block = make_agent(alice, labels=["human"]), make_block(alice, label="human")
    before = stored()

    reply = client_for(alice).patch(f"/v1/agents/{agent.pk}/core-memory/blocks/attach/{block.pk}")

    assert reply.status_code == 409
    assert reply.json() == {
        "detail": f"Agent '{agent.pk}' already has a block with label 'human'; "
        "detach that one or use another label"
    }
    assert stored() == before


def test_block_is_shared_by_many_agents(client_for, alice):
    block = make_block(alice, label="policy")
    agents = [make_agent(alice, blocks=[block]) for _ in range(2)]

    client_for(alice).patch(
        f"/v1/agents/{agents[0].pk}/core-memory/blocks/policy", {"value": "be kind"}
    )

    prompts = [agent.conversations.get().messages.get().text for agent in agents]
    assert ["<value>\nbe kind\n</value>" in prompt for prompt in prompts] == [True, True]


def test_detach_keeps_block(client_for, alice):
    agent = make_agent(alice, labels=["human", "persona"])
    block = agent.blocks.get(label="human")
    client, path = client_for(alice), f"/v1/agents/{agent.pk}/core-memory/blocks/detach/{block.pk}"

    reply = client.patch(path)

    assert [b["label"] for b in reply.json()["blocks"]] == ["persona"]
    assert client.get(f"/v1/blocks/{block.pk}").status_code == 200
    assert "<human>" not in agent.conversations.get().messages.get().text
    again = client.patch(path)
    assert again.status_code == 404
    assert again.json() == {"detail": f"No block with id '{block.pk}' found for agent '{agent.pk}'"}


def test_core_memory_excludes_isolated_blocks(client_for, alice):
    agent = make_agent(alice, labels=["human"])
    own = make_conversation(agent, isolated=["human"]).isolated_blocks.get()
    client = client_for(alice)
    client.patch(f"/v1/blocks/{own.pk}", {"value": "isolated"})

    reply = client.get(f"/v1/agents/{agent.pk}/core-memory/blocks/human")

    assert reply.json()["value"] == "about human"
    assert Block.objects.get(pk=own.pk).value == "isolated"
