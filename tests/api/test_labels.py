"""Labels are any text: in bodies, paths, queries and prompts."""

from urllib.parse import quote

import pytest

from ..factories import make_agent, make_block, make_conversation
from ..labels import ODD_LABELS

pytestmark = pytest.mark.django_db

SUB_ROUTES = ["x/reset", "a/diff", "x/released", "/", "//", "attach/" + "block-1", "%2F", "a%2Fb"]


@pytest.fixture
def client(client_for, alice):
    """Return a client whose server passes on the path that it received, as uvicorn does."""
    client = client_for(alice)
    send = client.generic

    def generic(method, path, *args, **extra):
        return send(method, path, *args, REQUEST_URI=path, **extra)

    client.generic = generic
    return client


def agent_with(alice, *labels):
    return make_agent(alice, blocks=[make_block(alice, label=each, value="v") for each in labels])


@pytest.mark.parametrize("label", ["", *ODD_LABELS])
def test_block_with_odd_label_is_stored_and_found(client, label):
    block = client.post("/v1/blocks/", {"label": label, "value": "v"}).json()

    found = client.get("/v1/blocks/", {"label": label}).json()

    assert (block["label"], [row["id"] for row in found]) == (label, [block["id"]])


@pytest.mark.parametrize("label", [*ODD_LABELS, *SUB_ROUTES])
def test_encoded_label_reaches_its_routes(client, alice, label):
    agent = agent_with(alice, label, "x", "a")
    conversation = make_conversation(agent)
    path = f"/v1/conversations/{conversation.pk}/isolated-blocks/{quote(label, safe='')}"

    isolated = client.put(path).json()
    edited = client.patch(path, {"value": "own"}).json()
    compared = client.get(f"{path}/diff").json()
    reset = client.post(f"{path}/reset").json()
    released = client.delete(path).json()
    shared = f"/v1/agents/{agent.pk}/core-memory/blocks/{quote(label, safe='')}"
    found = client.get(shared).json()

    answers = [isolated, edited, compared, reset, released, found]
    assert [each["label"] for each in answers] == [label] * 6
    assert (compared["isolated"]["value"], reset["block"]["value"]) == ("own", "v")


@pytest.mark.parametrize("label", ["", ".", "..", "a\0b", *ODD_LABELS, *SUB_ROUTES])
def test_label_of_query_takes_precedence_without_encoded_path(client_for, alice, label):
    client = client_for(alice)
    stored = label.replace("\0", "\ufffd")
    agent = agent_with(alice, stored, "-")
    conversation = make_conversation(agent)
    path = f"/v1/conversations/{conversation.pk}/isolated-blocks/-"
    query = f"?block_label={quote(label, safe='')}"

    isolated = client.put(f"{path}{query}").json()
    compared = client.get(f"{path}/diff{query}").json()
    shared = client.get(f"/v1/agents/{agent.pk}/core-memory/blocks/-{query}").json()
    bulk = client.post(f"/v1/agents/{agent.pk}/isolated-blocks/-/reset{query}").json()

    assert [each["label"] for each in (isolated, compared, shared, bulk)] == [stored] * 4


def test_slash_that_is_not_encoded_may_be_part_of_a_label(client, alice):
    agent = agent_with(alice, "a/b", "x")
    conversation = make_conversation(agent, isolated=["x"])
    isolated_blocks = f"/v1/conversations/{conversation.pk}/isolated-blocks"

    assert client.get(f"/v1/agents/{agent.pk}/core-memory/blocks/a/b").json()["label"] == "a/b"
    assert client.put(f"{isolated_blocks}/a/b").json()["label"] == "a/b"
    assert client.post(f"{isolated_blocks}/x/reset").json()["label"] == "x"


def test_encoded_path_that_is_not_of_the_request_is_ignored(client_for, alice):
    agent = agent_with(alice, "x")

    reply = client_for(alice).get(
        f"/v1/agents/{agent.pk}/core-memory/blocks/x", REQUEST_URI="/elsewhere/a%2Fb"
    )

    assert reply.json()["label"] == "x"


def test_encoded_slash_in_an_id_is_a_malformed_id(client):
    reply = client.get("/v1/blocks/block-1%2Fagents")

    assert reply.status_code == 422
    assert reply.json()["detail"].startswith("block_id: expected block-<uuid4>")


def test_encoded_slash_below_no_route_is_404(client):
    assert client.get("/v1/nothing%2Fhere/").status_code == 404
