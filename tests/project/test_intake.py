"""A real server and clients that send too slowly, too much, or nothing at all."""

import http.client
import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from urllib.parse import urlsplit

import psutil
import pytest
from django.conf import settings

from project.fairness import tenant_of_credentials

from ..runtime.processes import until
from ..sdk.server import Server, live_server

# Short, so that tests need not wait long; WEB_THREADS fewer than the attackers.
LIMITS = {
    "BODY_TIMEOUT": "2",
    "HEADER_TIMEOUT": "2",
    "WRITE_TIMEOUT": "2",
    "WEB_THREADS": "2",
    "MAX_CONNECTIONS": "60",
    # Only trusted proxies may have more connections; there is none here.
    "FORWARDED_ALLOW_IPS": "192.0.2.1",
    "MAX_CONNECTIONS_PER_ADDRESS": "80",
}
BLOCK = b'{"label": "human", "value": "x"}'
FAKE_KEY = f"ic-{'0' * 12}-{'x' * 43}"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with live_server(**LIMITS) as running:
        yield running


@pytest.fixture(scope="module")
def key(server) -> str:
    return server.make_world("intake")["intake"]["key"]


@contextmanager
def sent(server: Server, data: bytes) -> Iterator[socket.socket]:
    """Open a connection and send something."""
    address = urlsplit(server.url)
    with socket.create_connection((address.hostname, address.port), timeout=30) as client:
        client.sendall(data)
        yield client


def half_sent(path: str, *headers: str, size: int = 1000) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {size}", *headers]
    return "\r\n".join([*lines, "", "half"]).encode()


def received(client: socket.socket) -> bytes:
    """Return all that the server sends until it closes the connection."""
    data = b""
    with suppress(ConnectionResetError):
        while part := client.recv(65536):
            data += part
    return data


def ask(server: Server, path: str, key: str = "", *, method: str = "GET", body=None, timeout=10):
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=timeout)
    headers = {"Content-Type": "application/json"}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    connection.request(method, path, body, headers)
    response = connection.getresponse()
    return response.status, json.loads(response.read())


@pytest.mark.parametrize("path", ["/admin/login/", "/v1/agents/"])
def test_half_sent_bodies_do_not_stop_the_server(server, key, path):
    own = (f"Authorization: Bearer {key}",) if path.startswith("/v1/") else ()
    with ExitStack() as attack:
        attackers = [attack.enter_context(sent(server, half_sent(path, *own))) for _ in range(30)]

        assert ask(server, "/v1/health/")[0] == 200
        assert ask(server, "/v1/ready/")[0] == 200
        assert ask(server, "/v1/agents/", key)[0] == 200
        replies = [received(attacker) for attacker in attackers]

    assert {reply.split(b"\r\n")[0] for reply in replies} == {b"HTTP/1.1 408 Request Timeout"}
    assert json.loads(replies[0].split(b"\r\n\r\n")[1]) == {
        "detail": "body: expected within 2 s, got 4 bytes"
    }


@pytest.mark.parametrize("authorization", ["", FAKE_KEY, "nonsense"])
def test_body_without_a_valid_key_is_not_read(server, authorization):
    request = half_sent(
        "/v1/agents/", f"Authorization: Bearer {authorization}", "Connection: close"
    )

    with sent(server, request) as client:
        reply = received(client)

    assert reply.startswith(b"HTTP/1.1 401 ")
    assert reply.endswith(b'{"detail":"Unauthorized"}')


def test_unfinished_chunks_without_a_key_take_no_memory(server):
    process = psutil.Process(server.pid)
    before = process.memory_info().rss
    head = b"POST /v1/agents/ HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    login = head.replace(b"/v1/agents/", b"/admin/login/")
    chunk = b"%x\r\n" % 2**20 + b"x" * 2**20 + b"\r\n"

    def send_on(data: bytes) -> bytes:
        with sent(server, data) as client:
            with suppress(OSError):  # The server has closed the connection.
                for _ in range(4):
                    client.sendall(chunk)
            return received(client)

    with ThreadPoolExecutor(20) as threads:
        replies = list(threads.map(send_on, [head, login] * 10))

    assert process.memory_info().rss - before < 40 * 2**20
    assert not any(reply.startswith(b"HTTP/1.1 200") for reply in replies)


def test_large_login_is_413(server):
    with sent(server, half_sent("/admin/login/", size=100_000)) as client:
        reply = received(client)

    assert reply.startswith(b"HTTP/1.1 413 ")
    assert reply.endswith(b'{"detail": "body: expected at most 65536 bytes"}')


def test_body_after_a_slow_one_is_read(server, key):
    with sent(server, half_sent("/v1/agents/", f"Authorization: Bearer {key}")) as client:
        reply = received(client)

    assert reply.startswith(b"HTTP/1.1 408 ")
    assert ask(server, "/v1/blocks/", key, method="POST", body=BLOCK)[0] == 200


@pytest.mark.parametrize(
    "headers",
    [b"X-Long: " + b"x" * 2_000_000, b"\r\n".join(b"X-%d: 1" % n for n in range(200))],
    ids=["2 MB", "200 headers"],
)
def test_large_headers_are_431(server, headers):
    request = b"GET /v1/health/ HTTP/1.1\r\nHost: x\r\n" + headers + b"\r\n\r\n"
    address = urlsplit(server.url)
    with socket.create_connection((address.hostname, address.port), timeout=30) as client:
        with suppress(OSError):  # The server has closed the connection.
            client.sendall(request)
        reply = received(client)

    assert reply == b"" or reply.startswith(b"HTTP/1.1 431 ")
    assert ask(server, "/v1/health/")[0] == 200


def test_unfinished_headers_are_408(server):
    with sent(server, b"GET /v1/health/ HTTP/1.1\r\nHost: x\r\n") as client:
        assert received(client).startswith(b"HTTP/1.1 408 ")


def test_silent_connection_is_closed_without_a_response(server):
    with sent(server, b"") as client:
        assert received(client) == b""


def test_silent_connections_are_replaced_by_new_ones(server, key):
    with ExitStack() as attack:
        for _ in range(70):  # MAX_CONNECTIONS is 60.
            attack.enter_context(sent(server, b""))

        assert ask(server, "/v1/health/")[0] == 200
        assert ask(server, "/v1/agents/", key)[0] == 200


def test_connections_of_one_address_are_limited():
    with (
        live_server(**{**LIMITS, "MAX_CONNECTIONS_PER_ADDRESS": "5"}) as strict,
        ExitStack() as many,
    ):
        clients = [many.enter_context(sent(strict, b"")) for _ in range(6)]

        assert received(clients[-1]).startswith(b"HTTP/1.1 503 ")


def test_client_that_does_not_read_is_disconnected(server):
    address = urlsplit(server.url)
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect((address.hostname, address.port))
        client.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 60)
        port = client.getsockname()[1]

        def is_gone() -> bool:
            connections = psutil.Process(server.pid).net_connections(kind="tcp")
            return all(each.raddr.port != port for each in connections if each.raddr)

        until(is_gone, seconds=60, what="the server closes the connection")


def test_session_authenticates_a_large_body(client, admin_user, db):
    client.force_login(admin_user)
    cookie = f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"

    assert tenant_of_credentials({"headers": [(b"cookie", cookie.encode())]}) == (
        f"user {admin_user.pk}"
    )
    assert tenant_of_credentials({"headers": [(b"cookie", b"sessionid=made-up")]}) is None
    assert tenant_of_credentials({"headers": []}) is None


def test_responses_do_not_name_the_server(server):
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=10)
    connection.request("GET", "/v1/health/", headers={"X-Request-ID": "mine"})
    response = connection.getresponse()

    assert response.getheader("Server") is None
    assert response.getheader("X-Request-ID") == "mine"
