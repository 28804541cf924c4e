import pytest

from conversations.domain.memory.blocks import write_block
from conversations.domain.memory.isolation import release_label

from ..factories import actor, make_agent, make_block, make_conversation, make_messages


@pytest.fixture
def client(client_for, alice):
    return client_for(alice)


@pytest.fixture
def block(alice, bob):
    block = make_block(alice, value="A")
    write_block(block, by=actor(bob), value="B")
    return write_block(block, by=actor(alice), value="C", expected_version=2)


def test_revisions_are_listed_newest_first(client, alice, bob, block):
    revisions = client.get(f"/v1/blocks/{block.pk}/revisions").json()

    assert [(r["number"], r["value"], r["unconditional"]) for r in revisions] == [
        (3, "C", False),
        (2, "B", True),
        (1, "A", False),
    ]
    assert [r["written_by_id"] for r in revisions] == [alice.pk, bob.pk, alice.pk]
    assert revisions[0].keys() == {
        *("number", "value", "description", "limit", "source", "reason", "written_at"),
        *("written_by_id", "conversation_id", "run_id", "unconditional", "restored_number"),
    }


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("limit=2", [3, 2]),
        ("limit=2&after=2", [1]),
        ("limit=1&before=1", [2]),
        ("after=3&before=1", [2]),
        ("source=api", [3, 2, 1]),
        ("source=undo", []),
        ("written_by_id={bob}", [2]),
    ],
)
def test_revisions_are_paged_by_number_and_filtered(client, bob, block, query, numbers):
    revisions = client.get(f"/v1/blocks/{block.pk}/revisions?{query.format(bob=bob.pk)}").json()

    assert [revision["number"] for revision in revisions] == numbers


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("source=sql", "source: expected one of"),
        ("written_by_id=bob", "written_by_id: expected user-<uuid4>"),
        ("after=0", "after: expected at least 1, got 0"),
    ],
)
def test_invalid_filter_is_422(client, block, query, detail):
    reply = client.get(f"/v1/blocks/{block.pk}/revisions?{query}")

    assert reply.status_code == 422
    assert reply.json()["detail"].startswith(detail)


def test_undo_redo_and_restore(client, block):
    undone = client.post(f"/v1/blocks/{block.pk}/undo").json()
    redone = client.post(f"/v1/blocks/{block.pk}/redo", {"reason": "no, it was right"}).json()
    restored = client.post(f"/v1/blocks/{block.pk}/restore", {"number": 1}).json()

    assert [(b["value"], b["version"]) for b in (undone, redone, restored)] == [
        ("B", 4),
        ("C", 5),
        ("A", 6),
    ]
    newest = client.get(f"/v1/blocks/{block.pk}/revisions?limit=3").json()
    assert [(r["source"], r["restored_number"], r["reason"]) for r in newest] == [
        ("restore", 1, ""),
        ("redo", 3, "no, it was right"),
        ("undo", 2, ""),
    ]


@pytest.mark.parametrize(
    ("verb", "body", "status", "detail"),
    [
        ("redo", {}, 409, "there is nothing to redo"),
        ("restore", {"number": 7}, 404, "has no revision 7; its newest is 3"),
        ("restore", {}, 422, "number: field required"),
        ("restore", {"number": "x"}, 422, 'number: expected an integer, got "x"'),
    ],
)
def test_invalid_history_request_stores_nothing(client, block, verb, body, status, detail):
    reply = client.post(f"/v1/blocks/{block.pk}/{verb}", body)

    assert reply.status_code == status
    assert detail in reply.json()["detail"]
    assert block.revisions.count() == 3


def test_diff_between_two_revisions(client, block):
    change = client.get(f"/v1/blocks/{block.pk}/diff?older=1&newer=3").json()
    newest = client.get(f"/v1/blocks/{block.pk}/diff").json()

    assert change["changes"] == [
        {"change": "removed", "text": "A"},
        {"change": "added", "text": "C"},
    ]
    assert change["unified"].splitlines()[-2:] == ["-A", "+C"]
    assert (newest["older"]["number"], newest["newer"]["number"]) == (2, 3)


def test_isolated_block_has_revisions_until_release(client, alice):
    conversation = make_conversation(make_agent(alice, labels=["human"]), isolated=["human"])
    own = conversation.isolations.get().block
    client.patch(f"/v1/blocks/{own.pk}", {"value": "mine"})

    revisions = client.get(f"/v1/blocks/{own.pk}/revisions").json()
    undone = client.post(f"/v1/blocks/{own.pk}/undo").json()
    release_label(conversation, "human", by=actor(alice))

    assert [(r["value"], r["reason"]) for r in revisions] == [
        ("mine", ""),
        ("about human", "isolated"),
    ]
    assert revisions[0]["conversation_id"] == conversation.pk
    assert undone["value"] == "about human"
    assert client.get(f"/v1/blocks/{own.pk}/revisions").status_code == 404


def test_effective_blocks_at_message_and_at_time(client, alice):
    conversation = make_conversation(make_agent(alice, labels=["human"]), isolated=["human"])
    own = conversation.isolations.get().block
    first = make_messages(conversation, "hello")[0]
    own = write_block(own, by=actor(alice), value="mine")
    second = make_messages(conversation, "hello again")[0]
    written_at = own.revisions.first().written_at.isoformat()
    url = f"/v1/conversations/{conversation.pk}/blocks"

    answers = [client.get(url, {"at": at}).json() for at in (first.pk, second.pk, written_at)]

    assert [(e[0]["block"]["value"], e[0]["version"]) for e in answers] == [
        ("about human", 1),
        ("mine", 2),
        ("mine", 2),
    ]
    assert answers[0][0] | {"block": None} == {
        "label": "human",
        "origin": "isolated",
        "block": None,
        "version": 1,
        "shared_block_id": conversation.agent.blocks.get().pk,
        "drift": None,
    }


@pytest.mark.parametrize(
    ("at", "status", "detail"),
    [
        ("yesterday", 422, "at: expected message-<uuid4> or a time with its zone"),
        ("2026-03-01T12:00:00", 422, "at: expected message-<uuid4> or a time with its zone"),
        ("2026-13-01T12:00:00Z", 422, "at: expected message-<uuid4> or a time with its zone"),
        ("9999-12-31T23:59:59-14:00", 422, "at: expected message-<uuid4> or a time with its zone"),
        ("0001-01-01T00:00:00%2B14:00", 422, "at: expected message-<uuid4> or a time"),
        ("2001-03-01T12:00:00Z", 400, "Conversation '{conversation}' began at"),
        ("2001-03-01T12:00:00+02:00", 400, "Conversation '{conversation}' began at"),
        ("{message}", 404, "Message '{message}' is not in conversation '{conversation}'"),
    ],
)
def test_effective_blocks_at_invalid_time_is_rejected(client, alice, mallory, at, status, detail):
    conversation = make_conversation(make_agent(alice))
    message = make_messages(make_conversation(make_agent(mallory)), "secret")[0]
    names = {"conversation": conversation.pk, "message": message.pk}

    # With an unescaped plus sign, which a query string decodes as a space.
    url = f"/v1/conversations/{conversation.pk}/blocks?at={at.format(**names)}"
    reply = client.get(url)

    assert reply.status_code == status
    assert detail.format(**names) in reply.json()["detail"]
