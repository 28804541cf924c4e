"""The scope that each route needs, and keys of each scope on each route."""

import re
from typing import NamedTuple

import pytest

from conversations.api.urls import urlpatterns
from conversations.api.views.base import ApiView
from conversations.api.views.not_served import NotServedView
from conversations.api.views.server import Health, NotFoundView
from conversations.ids import new_id
from conversations.models import Scope

from ..factories import make_agent, make_conversation
from .routes import ATTACH_ROUTES, PREFIXES, ROUTES, ROUTES_WITH_PRECONDITIONS
from .stored_rows import stored

# Requests with a body that only read.
READING_POSTS = {
    "messages/search",
    "passages/search",
    "conversations/{conversation_id}/messages/preview-raw-payload",
    "conversations/{conversation_id}/stream",
    "runs/{run_id}/stream",
    "tools/search",
}
# Agent files hold whole agents.
AGENT_FILES = {"agents/import", "agents/{agent_id}/export"}
# They write to the shared block.
SHARED = {"conversations/{conversation_id}/isolated-blocks/{label}/promote"}
# What belongs to conversations, under the paths of other rows.
CONVERSING = re.compile(
    r"conversations/.*|runs/.*|steps/.*"
    r"|agents/\{agent_id\}/(messages.*|generate|summarize|reset-messages|(system-prompt/)?recompile)"
    r"|agents/\{agent_id\}/isolated-blocks/.*"
)


class Operation(NamedTuple):
    method: str
    path: str
    scope: Scope
    converters: dict[str, object]

    def send(self, client):
        values = {
            name: new_id(converter.prefix) if hasattr(converter, "prefix") else "human"
            for name, converter in self.converters.items()
        }
        url = self.path.format(**values)
        return getattr(client, self.method)(f"/v1/{url}", {})


def operations() -> list[Operation]:
    """Return every method of every route that needs a key."""
    return [
        Operation(
            method,
            re.sub(r"<\w+:(\w+)>", r"{\1}", str(route.pattern)),
            handler.scope,
            route.pattern.converters,
        )
        for route in urlpatterns
        for method in ("get", "post", "put", "patch", "delete")
        if not issubclass(route.callback.view_class, Health | NotFoundView | NotServedView)
        and (handler := getattr(route.callback.view_class, method, None))
    ]


def expected_scope(method: str, path: str) -> Scope:
    if path.startswith(("api-keys/", "members/", "audit-events/")):
        return Scope.ADMIN
    if path in AGENT_FILES or path in SHARED:
        return Scope.WRITE
    if method == "get" or path in READING_POSTS:
        return Scope.READ
    if path == "quotas/":
        return Scope.ADMIN
    return Scope.CONVERSE if CONVERSING.fullmatch(path) else Scope.WRITE


def test_every_route_needs_the_documented_scope():
    found = {(o.method, o.path): o.scope for o in operations()}

    assert found == {(method, path): expected_scope(method, path) for method, path in found}
    assert len(found) > 80


@pytest.mark.parametrize("scope", Scope)
def test_key_reaches_the_routes_of_its_scope_only(client_for, alice, scope):
    client = client_for(alice, scope=scope)

    for operation in operations():
        reply = operation.send(client)
        if list(Scope).index(scope) >= list(Scope).index(operation.scope):
            assert reply.status_code not in (401, 403), operation
        else:
            needed = f"This key has the scope '{scope}'; this request needs the scope"
            assert reply.status_code == 403, operation
            assert reply.json() == {"detail": f"{needed} '{operation.scope}'"}


@pytest.mark.parametrize("scope", [Scope.READ, Scope.CONVERSE])
def test_refused_requests_store_nothing(client_for, alice, scope):
    agent = make_agent(alice, labels=["human"])
    conversation = make_conversation(agent, isolated=["human"])
    ids = {name: new_id(prefix) for name, prefix in PREFIXES.items()} | {
        "agent_id": agent.pk,
        "conversation_id": conversation.pk,
        "block_id": agent.blocks.get().pk,
    }
    client = client_for(alice, scope=scope)
    before = stored()

    refused = 0
    for route in [*ROUTES, *ROUTES_WITH_PRECONDITIONS, *ATTACH_ROUTES]:
        path = route.path.replace("/human", "/{label}").replace("/memory_insert", "/{tool_name}")
        if not scope.includes(expected_scope(route.method, path)):
            assert route.send(client, **ids).status_code == 403
            refused += 1

    assert refused > 10
    assert stored() == before


def test_method_without_scope_is_refused(client_for, alice, rf):
    class Unscoped(ApiView):
        def get(self, request):
            raise AssertionError("not reached")

    client = client_for(alice, scope="admin")
    request = rf.get("/", headers={"Authorization": client._credentials["HTTP_AUTHORIZATION"]})

    assert Unscoped.as_view()(request).status_code == 403


def test_openapi_names_the_scope(client):
    paths = client.get("/v1/schema/?format=json").json()["paths"]

    assert paths["/v1/blocks/"]["post"]["security"] == [{"ApiKey": ["write"]}]
    assert paths["/v1/blocks/"]["get"]["description"].endswith("Needs a key of scope `read`.")
    assert "security" not in paths["/v1/health/"]["get"]
