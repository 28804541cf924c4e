"""The example of docs/overrides.md, request by request."""

from conversations.domain.memory.blocks import write_block

from ..factories import actor, make_agent, make_conversation


def test_story_of_docs_overrides(client_for, alice):
    client = client_for(alice)
    policy = {"label": "policy", "value": "Refunds: 24 hours\nCalls: 9 to 17\nTone: warm"}
    agent = make_agent(alice, memory_blocks=[policy])
    conversation = make_conversation(agent)
    others = [make_conversation(agent, isolated=["policy"]) for _ in range(2)]
    shared = agent.blocks.get()
    own = f"/v1/conversations/{conversation.pk}/isolated-blocks/policy"

    client.put(own)
    edited = client.patch(own, {"value": "Refunds: 72 hours\nCalls: 9 to 17\nTone: warm"}).json()
    write_block(shared, by=actor(alice), value="Refunds: 24 hours\nCalls: 9 to 17\nTone: brisk")
    diverged = client.get(own).json()
    rebased = client.post(f"{own}/rebase").json()
    assert (edited["drift"], diverged["drift"]) == ("isolated_changed", "diverged")
    assert (rebased["applied"], rebased["block"]["value"]) == (
        True,
        "Refunds: 72 hours\nCalls: 9 to 17\nTone: brisk",
    )

    write_block(shared, by=actor(alice), value="Refunds: 48 hours\nCalls: 9 to 17\nTone: brisk")
    conflict = client.post(f"{own}/rebase")
    assert (conflict.status_code, len(conflict.json()["conflicts"])) == (409, 1)
    assert "<<<<<<< shared" in conflict.json()["merged"]
    client.post(f"{own}/rebase", {"resolution": "Refunds: 60 hours\nCalls: 9 to 17\nTone: brisk"})

    dry = client.post(f"{own}/promote", {"dry_run": True}).json()
    assert (dry["agents"], dry["applied"]) == (1, False)
    client.post(f"{own}/promote")
    bulk = client.post(f"/v1/agents/{agent.pk}/isolated-blocks/policy/rebase").json()
    assert bulk["counts"] == {"applied": len(others), "unchanged": 1}

    undone = client.post(f"/v1/blocks/{shared.pk}/undo", {"reason": "legal said no"}).json()
    assert undone["value"] == "Refunds: 48 hours\nCalls: 9 to 17\nTone: brisk"
