"""Organizations never mix: an id of another one behaves as one that does not exist."""

import re

import pytest

from conversations.api.urls import urlpatterns
from conversations.api.views.messages import AgentMessage
from conversations.api.views.not_served import NotServedView
from conversations.domain.conversations.accounts import issue_key
from conversations.domain.folders.folders import attach_folder
from conversations.domain.memory.blocks import write_block
from conversations.domain.memory.revisions import undo
from conversations.ids import new_id
from conversations.models import Block, Step

from ..factories import (
    actor,
    make_agent,
    make_block,
    make_conversation,
    make_file,
    make_folder,
    make_identity,
    make_mcp_server,
    make_messages,
    make_passage,
    make_run,
    make_tool,
)
from .routes import (
    ADMIN_ROUTES,
    ARCHIVE_ROUTES,
    ATTACH_ROUTES,
    FOLDER_ROUTES,
    IDENTITY_ROUTES,
    MCP_ROUTES,
    PREFIXES,
    ROUTES,
    ROUTES_WITH_PRECONDITIONS,
    TOOL_ROUTES,
)
from .stored_rows import stored

# Values of the path parameters that are not ids.
VALUES = {name: f"{{{name}}}" for name in PREFIXES} | {
    "label": "human",
    "tool_name": "memory_insert",
    "folder_name": "plans",
}


def ids_of_everything(user) -> dict[str, str]:
    """Return the ids of a new agent of this member and of its rows."""
    agent = make_agent(user, labels=["human"], tags=["secret"])
    conversation = make_conversation(agent, isolated=["human"], summary="secret plans")
    # Edits and an undo, so that both undo and redo apply.
    block = agent.blocks.get()
    for value in ("a secret", block.value, "another secret"):
        write_block(block, by=actor(user), value=value)
    undo(block, by=actor(user))
    [message] = make_messages(conversation, "a secret")
    passage = make_passage(agent, "a secret")
    file = make_file(make_folder(user, name="plans", description="a secret"), "a secret")
    attach_folder(agent, file.folder, by=actor(user))
    run = make_run(conversation, status="completed", stop_reason="end_turn")
    step = Step.objects.create(organization_id=run.organization_id, run=run, number=1)
    return {
        "agent_id": agent.pk,
        "archive_id": passage.archive_id,
        "passage_id": passage.pk,
        "conversation_id": conversation.pk,
        "file_id": file.pk,
        "folder_id": file.folder_id,
        "block_id": block.pk,
        "identity_id": make_identity(user, agents=[agent], blocks=[block]).pk,
        "message_id": message.pk,
        "run_id": run.pk,
        "step_id": step.pk,
        "api_key_id": issue_key(user)[0].pk,
        "member_id": user.pk,
        "mcp_server_id": make_mcp_server(user).pk,
        "tool_id": make_tool(user, "secret").pk,
    }


def test_every_route_with_id_is_tested():
    served = {
        (method, re.sub(r"<\w+:(\w+)>", lambda parameter: VALUES[parameter[1]], str(route.pattern)))
        for route in urlpatterns
        for method in ("get", "post", "put", "patch", "delete")
        if "_id>" in str(route.pattern)
        and hasattr(route.callback.view_class, method)
        and not issubclass(route.callback.view_class, NotServedView | AgentMessage)
    }

    tried = [
        *ADMIN_ROUTES,
        *ROUTES,
        *ROUTES_WITH_PRECONDITIONS,
        *ATTACH_ROUTES,
        *ARCHIVE_ROUTES,
        *MCP_ROUTES,
        *TOOL_ROUTES,
        *IDENTITY_ROUTES,
        *FOLDER_ROUTES,
    ]

    assert served == {(route.method, route.path.partition("?")[0]) for route in tried}


@pytest.mark.parametrize("route", [*ADMIN_ROUTES, *ROUTES, *ROUTES_WITH_PRECONDITIONS], ids=str)
def test_id_of_other_organization_behaves_as_unknown(client_for, alice, mallory, route):
    ids = ids_of_everything(alice)
    unknown = {name: new_id(prefix) for name, prefix in PREFIXES.items()}
    client = client_for(mallory, scope="admin")
    before = stored()

    reply = route.send(client, **ids)

    nowhere = route.send(client, **unknown)
    assert (reply.status_code, nowhere.status_code) == (404, 404)
    of_stranger, of_nobody = ids[route.parameter], unknown[route.parameter]
    assert reply.json() == {"detail": nowhere.json()["detail"].replace(of_nobody, of_stranger)}
    assert stored() == before


@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_id_of_colleague_is_found(client_for, alice, bob, route):
    reply = route.send(client_for(bob), **ids_of_everything(alice))

    assert reply.status_code in (200, 204)


@pytest.mark.parametrize("route", ARCHIVE_ROUTES, ids=str)
@pytest.mark.parametrize("foreign", ["agent_id", "archive_id", "passage_id"])
def test_archive_routes_refuse_each_foreign_id(client_for, alice, mallory, route, foreign):
    if f"{{{foreign}}}" not in route.path:
        pytest.skip("the route has no such id")
    theirs, own = ids_of_everything(alice), ids_of_everything(mallory)
    before = stored()

    reply = route.send(client_for(mallory), **(own | {foreign: theirs[foreign]}))

    assert reply.status_code == 404
    assert theirs[foreign] in reply.json()["detail"]
    assert stored() == before


@pytest.mark.parametrize("route", FOLDER_ROUTES, ids=str)
@pytest.mark.parametrize("foreign", ["agent_id", "folder_id", "file_id"])
def test_folder_routes_refuse_each_foreign_id(client_for, alice, mallory, route, foreign):
    if f"{{{foreign}}}" not in route.path:
        pytest.skip("the route has no such id")
    theirs, own = ids_of_everything(alice), ids_of_everything(mallory)
    before = stored()

    reply = route.send(client_for(mallory), **(own | {foreign: theirs[foreign]}))

    assert reply.status_code == 404
    assert theirs[foreign] in reply.json()["detail"]
    assert stored() == before


@pytest.mark.parametrize("name", ["agent_id", "archive_id"])
def test_passage_search_refuses_foreign_id(client_for, alice, mallory, name):
    ids = ids_of_everything(alice)

    reply = client_for(mallory).post("/v1/passages/search", {"query": "secret", name: ids[name]})

    assert reply.status_code == 404


def test_passage_search_excludes_other_organizations(client_for, alice, mallory):
    ids_of_everything(alice)

    for body in ({"query": "secret"}, {}):
        assert client_for(mallory).post("/v1/passages/search", body).json() == []
        assert len(client_for(alice).post("/v1/passages/search", body).json()) == 1


@pytest.mark.parametrize("route", TOOL_ROUTES, ids=str)
@pytest.mark.parametrize("foreign", ["agent_id", "tool_id"])
def test_tool_route_refuses_each_foreign_id(client_for, alice, mallory, route, foreign):
    theirs, own = ids_of_everything(alice), ids_of_everything(mallory)
    before = stored()

    reply = route.send(client_for(mallory), **{**own, foreign: theirs[foreign]})

    assert reply.status_code == 404
    assert theirs[foreign] in reply.json()["detail"]
    assert stored() == before


@pytest.mark.parametrize("route", MCP_ROUTES, ids=str)
@pytest.mark.parametrize("foreign", ["mcp_server_id", "tool_id"])
def test_mcp_route_refuses_each_foreign_id(client_for, alice, mallory, route, foreign):
    if f"{{{foreign}}}" not in route.path:
        pytest.skip("the route has no such id")
    theirs, own = ids_of_everything(alice), ids_of_everything(mallory)

    reply = route.send(client_for(mallory), **(own | {foreign: theirs[foreign]}))

    assert reply.status_code == 404
    assert theirs[foreign] in reply.json()["detail"]


@pytest.mark.parametrize("route", IDENTITY_ROUTES, ids=str)
@pytest.mark.parametrize("foreign", ["agent_id", "block_id", "identity_id"])
def test_identity_route_refuses_each_foreign_id(client_for, alice, mallory, route, foreign):
    if f"{{{foreign}}}" not in route.path:
        pytest.skip("the route has no such id")
    theirs, own = ids_of_everything(alice), ids_of_everything(mallory)
    before = stored()

    reply = route.send(client_for(mallory), **{**own, foreign: theirs[foreign]})

    assert reply.status_code == 404
    assert theirs[foreign] in reply.json()["detail"]
    assert stored() == before


@pytest.mark.parametrize("route", ATTACH_ROUTES, ids=str)
def test_block_of_other_organization_cannot_be_attached(client_for, alice, mallory, route):
    block, agent = make_block(alice), make_agent(mallory)
    before = stored()

    reply = route.send(client_for(mallory), agent_id=agent.pk, block_id=block.pk)

    assert reply.status_code == 404
    assert reply.json() == {"detail": f"Block with id '{block.pk}' not found"}
    assert stored() == before


@pytest.mark.parametrize("route", ATTACH_ROUTES, ids=str)
def test_attach_to_agent_of_other_organization_is_404(client_for, alice, mallory, route):
    agent, block = make_agent(alice), make_block(mallory)
    before = stored()

    reply = route.send(client_for(mallory), agent_id=agent.pk, block_id=block.pk)

    assert reply.status_code == 404
    assert reply.json() == {"detail": f"Agent with ID {agent.pk} not found"}
    assert stored() == before


@pytest.mark.parametrize(
    ("path", "nothing"),
    [
        ("conversations/?show_hidden=true&archive_status=all", []),
        ("blocks/?include_isolated=true&show_hidden_blocks=true", []),
        ("blocks/count?include_isolated=true&show_hidden_blocks=true", 0),
        ("agents/?show_hidden_agents=true", []),
        ("agents/count?show_hidden_agents=true", 0),
        ("archives/", []),
        ("tools/?tool_types=custom", []),
        ("tools/count?tool_types=custom", 0),
        ("messages/", []),
        ("runs/", []),
        ("tags/", []),
    ],
)
def test_lists_exclude_other_organizations(client_for, alice, mallory, path, nothing):
    ids_of_everything(alice)

    reply = client_for(mallory).get(f"/v1/{path}")

    assert reply.json() == nothing
    assert client_for(alice).get(f"/v1/{path}").json() not in ([], 0)


@pytest.mark.parametrize("name", ["agent_id", "conversation_id"])
def test_filter_by_id_of_other_organization_is_empty(client_for, alice, mallory, name):
    ids = ids_of_everything(alice)

    reply = client_for(mallory).get(f"/v1/runs/?{name}={ids[name]}")

    assert reply.json() == []
    assert len(client_for(alice).get(f"/v1/runs/?{name}={ids[name]}").json()) == 1


@pytest.mark.parametrize(
    "path", ["conversations/", "blocks/", "agents/", "archives/", "messages/", "runs/"]
)
def test_cursor_of_other_organization_is_404(client_for, alice, mallory, path):
    ids = ids_of_everything(alice)
    kind = {"conversations/": "conversation_id"}.get(path, f"{path[:-2]}_id")

    reply = client_for(mallory).get(f"/v1/{path}?after={ids[kind]}")

    assert reply.status_code == 404
    assert reply.json() == {"detail": f"after: no row with id '{ids[kind]}' to page from"}


def test_create_agent_with_foreign_block_is_404(client_for, alice, mallory):
    block = make_block(alice)
    before = stored()

    reply = client_for(mallory).post(
        "/v1/agents/", {"model": "openai/gpt-4o", "block_ids": [block.pk]}
    )

    assert reply.status_code == 404
    assert reply.json() == {"detail": f"block_ids: Block with id '{block.pk}' not found"}
    assert stored() == before


def test_update_agent_with_foreign_block_is_404(client_for, alice, mallory):
    block, agent = make_block(alice), make_agent(mallory, labels=["human"])
    before = stored()

    reply = client_for(mallory).patch(f"/v1/agents/{agent.pk}", {"block_ids": [block.pk]})

    assert reply.status_code == 404
    assert stored() == before


def test_create_conversation_of_foreign_agent_is_404(client_for, alice, mallory):
    agent = make_agent(alice, labels=["human"])
    before = stored()

    reply = client_for(mallory).post(f"/v1/conversations/?agent_id={agent.pk}")

    assert reply.status_code == 404
    assert stored() == before


@pytest.mark.parametrize("where", ["messages?conversation_id=", "context?conversation_id="])
def test_foreign_conversation_with_own_agent_is_404(client_for, alice, mallory, where):
    ids, agent = ids_of_everything(alice), make_agent(mallory)

    reply = client_for(mallory).get(f"/v1/agents/{agent.pk}/{where}{ids['conversation_id']}")

    assert reply.status_code == 404
    assert reply.json() == {"detail": f"Conversation not found with id='{ids['conversation_id']}'"}


def test_fork_at_foreign_message_is_404(client_for, alice, mallory):
    ids, conversation = ids_of_everything(alice), make_conversation(make_agent(mallory))
    before = stored()

    reply = client_for(mallory).post(
        f"/v1/conversations/{conversation.pk}/fork?message_id={ids['message_id']}"
    )

    assert reply.status_code == 404
    assert stored() == before


def test_body_cannot_name_another_organization(client_for, alice, mallory):
    body = {
        "label": "human",
        "organization_id": alice.organization_id,
        "organization": alice.organization_id,
        "created_by_id": alice.pk,
    }

    block = client_for(mallory).post("/v1/blocks/", body).json()

    row = Block.objects.get(pk=block["id"])
    assert (row.organization, row.created_by) == (mallory.organization, mallory)
