"""The second wall: without one of the `in_organization` of the code, no foreign row is reached.

Each call of `in_organization` in the app is removed in turn, and another organization's key asks
every route of the OpenAPI document for rows of the first. The control shows that most removals
are breaches where PostgreSQL does not enforce the rule.
"""

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.db import transaction
from django.http import StreamingHttpResponse

import conversations
from conversations.models.base import OrganizationQuerySet

from ..row_security import is_enforced
from .routes import ATTACH_ROUTES, ROUTES, ROUTES_WITH_PRECONDITIONS
from .test_organizations import VALUES, ids_of_everything

pytestmark = [pytest.mark.postgres_only, pytest.mark.slow, pytest.mark.timeout(1800)]

APP = Path(conversations.__file__).parent
IN_ORGANIZATION = OrganizationQuerySet.in_organization
SECRET = b"secret"
# The server responds at once: a stream, which is not read here.
STREAM = {"HTTP_X_STAINLESS_PACKAGE_VERSION": "1.12.1"}
BODIES = {
    (route.method, route.path): route.body
    for route in [*ROUTES, *ROUTES_WITH_PRECONDITIONS, *ATTACH_ROUTES]
}


@dataclass(frozen=True)
class Call:
    """A call of `in_organization` in the code."""

    file: str
    first_line: int
    last_line: int

    def __str__(self):
        return f"{Path(self.file).relative_to(APP.parent)}:{self.first_line}"

    def covers(self, file: str, line: int) -> bool:
        return file == self.file and self.first_line <= line <= self.last_line


def place_of_call() -> tuple[str, int]:
    """Return the file and line of the app that calls our caller."""
    frame = sys._getframe(2)
    while not frame.f_code.co_filename.startswith(str(APP)):
        frame = frame.f_back  # Django's managers pass calls on.
    return frame.f_code.co_filename, frame.f_lineno


def calls_in_code() -> list[Call]:
    return [
        Call(str(file), node.lineno, node.end_lineno)
        for file in sorted(APP.rglob("*.py"))
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "in_organization"
    ]


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    body: dict | None
    is_of_stranger: bool  # names a row of another organization

    def __str__(self):
        return f"{self.method} {self.path}"


def requests_for(document: dict, ids: dict[str, str]) -> Iterator[Request]:
    """Yield a request for each operation of the document, and filters by each id for each list."""
    for template, operations in document["paths"].items():
        path = template
        for name in re.findall(r"{(\w+)}", template):
            path = path.replace(f"{{{name}}}", ids.get(name) or VALUES[name])
        names = any(value in path for value in ids.values())
        for method in operations:
            route = re.sub(r"{(label|tool_name)}", lambda m: VALUES[m[1]], template)
            body = BODIES.get((method, route.removeprefix("/v1/")))
            if body and "streaming" in body:
                body = body | {"streaming": True}
            yield Request(method, path, body, names)
            if method == "get" and not names:
                queries = [f"{key}={value}" for key, value in ids.items()]
                queries += [f"after={value}" for value in ids.values()]
                queries.append("show_hidden=true&include_isolated=true&query=secret")
                yield from (Request(method, f"{path}?{query}", None, False) for query in queries)
    agent, block = ids["agent_id"], ids["block_id"]
    model = {"model": "openai/gpt-4o"}
    yield Request("post", "/v1/agents/", model | {"block_ids": [block]}, True)
    yield Request("post", f"/v1/conversations/?agent_id={agent}", None, True)
    for path in ("/v1/messages/search", "/v1/passages/search"):
        yield Request("post", path, {"query": "secret"}, False)


def is_breach(client, request: Request) -> bool:
    """Send a request, undo what it did, and return whether it reached a row of another one."""
    with transaction.atomic():
        response = getattr(client, request.method)(request.path, request.body, **STREAM)
        transaction.set_rollback(True)
    is_stream = isinstance(response, StreamingHttpResponse)
    content = b"" if is_stream else response.content
    return SECRET in content or (request.is_of_stranger and response.status_code < 400)


@pytest.fixture
def requests(client, alice) -> list[Request]:
    document = client.get("/v1/schema/?format=json").json()
    return list(requests_for(document, ids_of_everything(alice)))


def requests_by_call(client, requests: list[Request], monkeypatch) -> dict[Call, list[Request]]:
    """Return, for each call of `in_organization` in the code, the requests that run it."""
    found: dict[Call, list[Request]] = {call: [] for call in calls_in_code()}
    places: set[tuple[str, int]] = set()

    def in_organization(self, organization):
        places.add(place_of_call())
        return IN_ORGANIZATION(self, organization)

    monkeypatch.setattr(OrganizationQuerySet, "in_organization", in_organization)
    for request in requests:
        places.clear()
        is_breach(client, request)
        for call in found:
            if any(call.covers(*place) for place in places):
                found[call].append(request)
    return found


def breaches(client, requests: list[Request], monkeypatch) -> dict[str, list[str]]:
    """Return the requests that reach a foreign row, by the call whose removal lets them."""
    found = {}
    for call, those in requests_by_call(client, requests, monkeypatch).items():

        def in_organization(self, organization, call=call):
            is_removed = call.covers(*place_of_call())
            return self.all() if is_removed else IN_ORGANIZATION(self, organization)

        monkeypatch.setattr(OrganizationQuerySet, "in_organization", in_organization)
        found[str(call)] = [str(request) for request in those if is_breach(client, request)]
    return found


@pytest.fixture
def stranger(client_for, mallory, configure):
    """Return a client of another organization; turns that it starts wait for a worker."""
    configure(RUN_TURNS_IN_WEB=False)
    return client_for(mallory, scope="admin")


def test_no_request_reaches_foreign_rows(db, requests, stranger):
    assert [str(request) for request in requests if is_breach(stranger, request)] == []


def test_no_removed_filter_is_a_breach_with_row_security(
    row_security, requests, stranger, monkeypatch
):
    found = breaches(stranger, requests, monkeypatch)

    assert len(found) > 10
    assert {call: broken for call, broken in found.items() if broken} == {}


def test_removed_filters_are_breaches_without_row_security(db, requests, stranger, monkeypatch):
    if is_enforced():
        pytest.skip("needs the owner of the tables")

    found = breaches(stranger, requests, monkeypatch)

    in_finders = {call: broken for call, broken in found.items() if "views/finders" in call}
    assert len(in_finders) > 3
    assert [call for call, broken in in_finders.items() if not broken] == []
