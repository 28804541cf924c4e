"""Requests reach the application through a real server."""

import http.client
import json
import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from .sdk.server import Server, live_server


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with live_server() as running:
        yield running


@pytest.fixture(scope="module")
def key(server) -> str:
    return server.make_world("serving")["serving"]["key"]


def ask(server, method, path, body=None, headers=None):
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=30)
    connection.request(method, path, body, headers or {})
    reply = connection.getresponse()
    return reply.status, reply.read()


def headers(key, **more):
    return {"Authorization": f"Bearer {key}", "Content-Type": "application/json", **more}


def test_chunked_body_is_read(server, key):
    body = iter([b'{"label": "human", ', b'"value": "in two pieces"}'])

    status, answer = ask(server, "POST", "/v1/blocks/", body, headers(key))

    assert (status, json.loads(answer)["value"]) == (200, "in two pieces")


@pytest.mark.parametrize("in_chunks", [False, True])
def test_body_of_ten_megabytes_is_too_large(server, key, in_chunks):
    body = json.dumps({"label": "human", "value": "x" * 10_000_000}).encode()

    status, answer = ask(
        server, "POST", "/v1/blocks/", iter([body]) if in_chunks else body, headers(key)
    )

    assert (status, json.loads(answer)) == (
        413,
        {"detail": "body: expected at most 5242880 bytes"},
    )


def test_header_with_underscore_arrives(server, key):
    foreign = {"user_id": "user-00000000-0000-4000-8000-000000000000"}

    status, answer = ask(server, "GET", "/v1/blocks/", headers=headers(key, **foreign))

    assert (status, "this key belongs to" in json.loads(answer)["detail"]) == (403, True)


@pytest.mark.parametrize("page", ["/docs/", "/admin/login/"])
def test_pages_find_styles_without_collectstatic(server, page):
    status, html = ask(server, "GET", page)
    [style, *_] = re.findall(rb'href="([^"]+\.css)"', html)

    assert status == 200
    assert ask(server, "GET", style.decode())[0] == 200
