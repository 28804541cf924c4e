"""Identities: their routes, filters and relations, as V1 has them."""

import pytest

from conversations.domain.conversations.agents import delete_agent
from conversations.models import Identity

from ..factories import actor, make_agent, make_block, make_conversation, make_identity

BOB = {"identifier_key": "bob@example.com", "name": "Bob", "identity_type": "user"}
PLAN = {"key": "plan", "value": "pro", "type": "string"}


@pytest.fixture
def client(client_for, alice):
    return client_for(alice)


def test_created_identity_has_its_agents_and_blocks(client, alice):
    agent, block = make_agent(alice), make_block(alice)
    body = {**BOB, "properties": [PLAN], "agent_ids": [agent.pk], "block_ids": [block.pk]}

    reply = client.post("/v1/identities/", body)

    assert reply.status_code == 200
    identity = reply.json()
    assert identity == {
        **body,
        "id": identity["id"],
        "organization_id": alice.organization_id,
        "project_id": None,
    }
    assert client.get(f"/v1/identities/{identity['id']}").json() == identity


def test_identifier_key_can_be_used_once(client, alice):
    make_identity(alice, identifier_key="k")

    other = f"identities/{make_identity(alice).pk}"
    for method, path in (("post", "identities/"), ("patch", other)):
        reply = getattr(client, method)(f"/v1/{path}", {**BOB, "identifier_key": "k"})

        assert reply.status_code == 409
        assert "'k'" in reply.json()["detail"]


def test_other_organization_can_use_the_same_key(client, mallory):
    make_identity(mallory, identifier_key=BOB["identifier_key"])

    assert client.post("/v1/identities/", BOB).status_code == 200


def test_deleted_identity_frees_its_key(client, alice):
    created = client.post("/v1/identities/", BOB).json()

    assert client.delete(f"/v1/identities/{created['id']}").json() is None

    assert client.get(f"/v1/identities/{created['id']}").status_code == 404
    assert client.post("/v1/identities/", BOB).status_code == 200
    assert client.get("/v1/identities/count").json() == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("identity_type", "robot"),
        ("identifier_key", ""),
        ("identifier_key", "k" * 201),
        ("properties", [{**PLAN, "type": "date"}]),
        ("properties", [{**PLAN, "value": [1]}]),
        ("properties", [{**PLAN, "value": {"a": "\x00"}}]),
        ("agent_ids", ["agent-1"]),
    ],
)
def test_invalid_field_is_named(client, field, value):
    reply = client.post("/v1/identities/", {**BOB, field: value})

    assert reply.status_code == 422
    assert reply.json()["detail"].startswith(field)
    assert not Identity.objects.exists()


def test_unknown_agent_leaves_nothing(client, mallory):
    agent = make_agent(mallory)

    assert client.post("/v1/identities/", {**BOB, "agent_ids": [agent.pk]}).status_code == 404
    assert not Identity.objects.exists()


def test_upsert_creates_then_replaces_what_is_given(client, alice):
    first, second = make_agent(alice), make_agent(alice)
    created = client.put(
        "/v1/identities/", {**BOB, "properties": [PLAN], "agent_ids": [first.pk]}
    ).json()

    renamed = client.put("/v1/identities/", {**BOB, "name": "Bob II", "agent_ids": [second.pk]})

    assert renamed.json() == {**created, "name": "Bob II", "agent_ids": [second.pk]}


def test_patch_adds_as_v1_does(client, alice):
    first, second = make_agent(alice), make_agent(alice)
    identity = make_identity(alice, agents=[first], properties=[PLAN])
    size = {"key": "size", "value": 3, "type": "number"}
    free = {**PLAN, "value": "free"}

    body = {"agent_ids": [second.pk], "properties": [free, size]}
    changed = client.patch(f"/v1/identities/{identity.pk}", body).json()

    assert changed["agent_ids"] == [first.pk, second.pk]
    assert changed["properties"] == [free, size]


def test_properties_are_replaced(client, alice):
    identity = make_identity(alice, properties=[PLAN])
    size = {"key": "size", "value": 3, "type": "number"}
    path = f"/v1/identities/{identity.pk}/properties"

    assert client.put(path, [size]).json()["properties"] == [size]
    assert client.put(path, {"size": 3}).status_code == 422
    assert client.put(path, [{**size, "type": "x"}]).json()["detail"].startswith("properties.0")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["Acme", "Bob", "Alice"]),
        ("name=ali", ["Alice"]),
        ("identifier_key=b", ["Bob"]),
        ("identity_type=org", ["Acme"]),
        ("project_id=p", ["Alice"]),
        ("order=asc&limit=2", ["Alice", "Bob"]),
    ],
)
def test_list_filters(client, alice, mallory, query, expected):
    make_identity(alice, name="Alice", identifier_key="a", project_id="p")
    make_identity(alice, name="Bob", identifier_key="b")
    make_identity(alice, name="Acme", identifier_key="c", identity_type="org")
    make_identity(mallory, name="Alice", identifier_key="b", project_id="p", identity_type="org")

    found = client.get(f"/v1/identities/?{query}").json()

    assert [each["name"] for each in found] == expected
    assert client.get("/v1/identities/count").json() == 3


def test_agent_takes_and_shows_identities(client, alice):
    first, second = make_identity(alice, name="Alice"), make_identity(alice, name="Bob")
    body = {"model": "openai/gpt-4o-mini", "identity_ids": [first.pk]}
    agent = client.post("/v1/agents/", body).json()
    assert agent["identity_ids"] == [first.pk]

    path = f"/v1/agents/{agent['id']}"
    changed = client.patch(path, {"identity_ids": [second.pk]}).json()

    assert (changed["identity_ids"], changed["identities"][0]["name"]) == ([second.pk], "Bob")
    assert client.patch(path, {"description": "x"}).json()["identity_ids"] == [second.pk]
    assert client.patch(path, {"identity_ids": []}).json()["identities"] == []
    headers = {"X-Stainless-Package-Version": "1.12.1"}
    client.patch(path, {"identity_ids": [first.pk]})
    assert client.get(path, headers=headers).json()["identities"] == []
    included = client.get(f"{path}?include=agent.identities", headers=headers).json()
    assert [each["id"] for each in included["identities"]] == [first.pk]


def test_attach_and_detach_to_an_agent(client, alice):
    agent, identity = make_agent(alice), make_identity(alice)
    path = f"/v1/agents/{agent.pk}/identities"

    for verb, attached in (("attach", 1), ("attach", 1), ("detach", 0), ("detach", 0)):
        assert client.patch(f"{path}/{verb}/{identity.pk}").json() is None
        agents = client.get(f"/v1/identities/{identity.pk}/agents").json()
        assert [each["id"] for each in agents] == [agent.pk][:attached]


def test_attach_and_detach_to_a_block(client, alice):
    block, identity = make_block(alice), make_identity(alice)
    path = f"/v1/blocks/{block.pk}/identities"

    for verb, attached in (("attach", 1), ("attach", 1), ("detach", 0), ("detach", 0)):
        assert client.patch(f"{path}/{verb}/{identity.pk}").json()["id"] == block.pk
        blocks = client.get(f"/v1/identities/{identity.pk}/blocks").json()
        assert [each["id"] for each in blocks] == [block.pk][:attached]


def test_isolated_block_belongs_to_no_identity(client, alice):
    conversation = make_conversation(make_agent(alice, labels=["human"]), isolated=["human"])
    block = conversation.isolated_blocks.get()
    identity = make_identity(alice)

    reply = client.patch(f"/v1/blocks/{block.pk}/identities/attach/{identity.pk}")

    assert reply.status_code == 409
    assert client.get(f"/v1/identities/{identity.pk}/blocks").json() == []


@pytest.mark.parametrize("kind", ["agents", "blocks"])
def test_lists_filter_by_identity(client, alice, kind):
    make = {"agents": make_agent, "blocks": make_block}[kind]
    one, both, _ = make(alice), make(alice), make(alice)
    bob = make_identity(alice, identifier_key="bob", **{kind: [one, both]})
    ann = make_identity(alice, identifier_key="ann", **{kind: [both]})

    def found(query):
        return {each["id"] for each in client.get(f"/v1/{kind}/?{query}").json()}

    assert found(f"identity_id={bob.pk}") == {one.pk, both.pk}
    assert found("identifier_keys=ann") == {both.pk}
    assert found("identifier_keys=ann&identifier_keys=bob") == {one.pk, both.pk}
    assert found(f"identity_id={bob.pk}&identifier_keys=nobody") == set()
    assert client.get(f"/v1/{kind}/count?identity_id={ann.pk}").json() == 1
    client.delete(f"/v1/identities/{ann.pk}")
    assert found("identifier_keys=ann") == set()
    assert client.get(f"/v1/{kind}/?identity_id=nope").status_code == 422


def test_deleted_agent_is_not_listed(client, alice):
    agent = make_agent(alice)
    identity = make_identity(alice, agents=[agent])

    delete_agent(agent, by=actor(alice))

    assert client.get(f"/v1/identities/{identity.pk}").json()["agent_ids"] == []
    assert client.get(f"/v1/identities/{identity.pk}/agents").json() == []


def test_only_the_first_agents_are_listed(client, alice, monkeypatch):
    monkeypatch.setattr(Identity, "MAX_LINKS", 2)
    agents = [make_agent(alice) for _ in range(3)]
    make_identity(alice, name="Many", agents=agents)
    make_identity(alice, name="One", agents=agents[:1])

    listed = {each["name"]: each["agent_ids"] for each in client.get("/v1/identities/").json()}

    assert listed == {"Many": [agents[0].pk, agents[1].pk], "One": [agents[0].pk]}
