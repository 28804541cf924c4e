import pytest

from ..factories import make_agent, make_block


@pytest.fixture
def blocks(alice) -> None:
    """Create five blocks: `shared` is attached to two agents, `attached` to one."""
    make_block(alice, label="plain", value="50% of a_b", description="First")
    make_block(alice, label="secret", value="hidden", hidden=True, tags=["x"])
    make_block(alice, label="form", is_template=True, template_name="t", tags=["x", "y"])
    attached = make_block(alice, label="attached", value="Tea", project_id="p", tags=["y"])
    shared = make_block(alice, label="shared", value="\\", hidden=False)
    make_agent(alice, blocks=[attached, shared])
    make_agent(alice, blocks=[shared])


ALL = ["plain", "form", "attached", "shared"]


@pytest.mark.parametrize(
    ("query", "labels"),
    [
        ("", ALL),
        ("order=desc", ALL[::-1]),
        ("show_hidden_blocks=true", ["plain", "secret", "form", "attached", "shared"]),
        ("label=plain", ["plain"]),
        ("label=PLAIN", []),
        ("label_search=A", ["plain", "attached", "shared"]),
        ("value_search=tea", ["attached"]),
        ("value_search=%25", ["plain"]),
        ("value_search=_", ["plain"]),
        ("value_search=%5C", ["shared"]),
        ("description_search=first", ["plain"]),
        ("name=t", ["form"]),
        ("templates_only=true", ["form"]),
        ("project_id=p", ["attached"]),
        ("tags=x", ["form"]),
        ("tags=x&tags=y", ["form", "attached"]),
        ("tags=x&tags=y&match_all_tags=true", ["form"]),
        ("tags=x&show_hidden_blocks=true", ["secret", "form"]),
        ("tags=%25", []),
        ("connected_to_agents_count_eq=0", ["plain", "form"]),
        ("connected_to_agents_count_eq=1&connected_to_agents_count_eq=2", ["attached", "shared"]),
        ("connected_to_agents_count_gt=0", ["attached", "shared"]),
        ("connected_to_agents_count_gt=0&order=desc", ["shared", "attached"]),
        ("connected_to_agents_count_lt=2", ["plain", "form", "attached"]),
        ("connected_to_agents_count_gt=0&connected_to_agents_count_lt=2", ["attached"]),
        ("identity_id=identity-00000000-0000-4000-8000-000000000000", []),
        ("identifier_keys=i", []),
        ("unknown=ignored", ALL),
    ],
)
def test_list_and_count_agree(client_for, alice, blocks, query, labels):
    """V1 counted hidden blocks, and ordered by id when it filtered by agents."""
    client = client_for(alice)

    listed = [block["label"] for block in client.get(f"/v1/blocks/?{query}").json()]

    assert listed == labels
    assert client.get(f"/v1/blocks/count?{query}").json() == len(labels)


def test_agent_count_excludes_deleted_agents(client_for, alice, blocks):
    client = client_for(alice)
    for agent in client.get("/v1/agents/").json():
        client.delete(f"/v1/agents/{agent['id']}")

    reply = client.get("/v1/blocks/count?connected_to_agents_count_eq=0")

    assert reply.json() == 4


def test_agents_of_block_are_listed_newest_first(client_for, alice):
    block = make_block(alice)
    first, second = (make_agent(alice, blocks=[block]) for _ in range(2))
    make_agent(alice)

    reply = client_for(alice).get(f"/v1/blocks/{block.pk}/agents")

    assert [agent["id"] for agent in reply.json()] == [second.pk, first.pk]
