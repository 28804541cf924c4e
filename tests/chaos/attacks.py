"""Clients that send too slowly, too often or too much."""

import http.client
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from urllib.parse import urlencode, urlsplit

from conversations.models import Run

from ..runtime.processes import until, web_server
from .world import Answer, World, ask, check_rows, quiet

# Of a read of another tenant, in seconds.
BOUND = 2.0
HEALTH = "/v1/health/"
# More than twice KEY_REQUESTS_PER_MINUTE below: a new minute may begin meanwhile.
READS = 500
# The default, which the servers of these scenarios have.
WEB_THREADS = 8


@contextmanager
def bystander(url: str, key: str) -> Iterator[dict[str, list[Answer]]]:
    """Read, as another tenant, and ask for the health for the length of the block."""
    answers: dict[str, list[Answer]] = {"read": [], "health": []}
    stop = threading.Event()

    def repeat(kind: str, send: Callable[[], Answer]) -> None:
        while not stop.is_set():
            answers[kind].append(send())
            stop.wait(0.1)

    threads = [
        threading.Thread(target=repeat, args=("read", lambda: ask(url, key, "GET", "/v1/agents/"))),
        threading.Thread(target=repeat, args=("health", lambda: ask(url, "", "GET", HEALTH))),
    ]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def judge(answers: dict[str, list[Answer]], *, bound: float = BOUND) -> str:
    for kind, of_kind in answers.items():
        statuses = Counter(answer.status for answer in of_kind)
        assert set(statuses) == {200}, f"{kind}: {statuses}"
    slowest = {kind: max(a.seconds for a in of_kind) for kind, of_kind in answers.items()}
    assert slowest["read"] < bound, f"another tenant's read took {slowest['read']:.2f} s"
    return (
        f"another tenant's {len(answers['read'])} reads: slowest {slowest['read']:.2f} s; "
        f"health: {slowest['health']:.2f} s"
    )


def opened(attack: ExitStack, url: str, data: bytes) -> socket.socket:
    address = urlsplit(url)
    client = socket.create_connection((address.hostname, address.port), timeout=60)
    client.sendall(data)
    return attack.enter_context(client)


def half_sent_bodies(world: World) -> tuple[str, str]:
    """Bodies of which half arrives, and then a byte a second."""
    own, other = world.tenant(), world.tenant()
    with web_server(world.model, BODY_TIMEOUT="8") as (_, url), ExitStack() as attack:
        anonymous = half_sent("/admin/login/")
        with_key = half_sent("/v1/agents/", f"Authorization: Bearer {own.key}")
        clients = [opened(attack, url, data) for data in [anonymous] * 30 + [with_key] * 8]
        with bystander(url, other.key) as answers:
            for _ in range(5):
                time.sleep(1)
                for client in clients:
                    with quiet():
                        client.sendall(b"x")
            endings = Counter(status_of(client) for client in clients)
        result = judge(answers)
    assert endings == {408: 38}, endings
    return "30 anonymous, 8 with a key", f"{result}; the 38 get 408"


def slow_headers(world: World) -> tuple[str, str]:
    """Headers that never end."""
    other = world.tenant()
    with web_server(world.model, HEADER_TIMEOUT="5") as (_, url), ExitStack() as attack:
        start = b"GET /v1/agents/ HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        clients = [opened(attack, url, start) for _ in range(100)]
        with bystander(url, other.key) as answers:
            for number in range(3):
                time.sleep(1)
                for client in clients:
                    with quiet():
                        client.sendall(b"X-%d: 1\r\n" % number)
            endings = Counter(status_of(client) for client in clients)
        result = judge(answers)
    assert endings == {408: 100}, endings
    return "100 anonymous", f"{result}; the 100 get 408"


def login_flood(world: World) -> tuple[str, str]:
    """Wrong passwords, as fast as they go, from one address."""
    other = world.tenant()
    with web_server(world.model) as (_, url):
        statuses: Counter[int] = Counter()
        stop = threading.Event()

        def flood(number: int) -> None:
            while not stop.is_set():
                statuses[log_in(url, f"user{number}")] += 1

        threads = [threading.Thread(target=flood, args=(n,)) for n in range(16)]
        for thread in threads:
            thread.start()
        with bystander(url, other.key) as answers:
            time.sleep(15)
        stop.set()
        for thread in threads:
            thread.join()
    assert set(statuses) <= {200, 429, 503}, statuses
    assert statuses[429], f"nobody was locked out: {statuses}"
    return (
        "16 loops, 16 user names, 15 s",
        f"{judge(answers)}; {statuses.total()} attempts, {statuses[200]} of them checked",
    )


def burst(world: World) -> tuple[str, str]:
    """One tenant's burst of turns and heavy requests."""
    busy, other = world.tenant(conversations=150), world.tenant()
    heavy = {
        "model": "openai/gpt-4o-mini",
        "memory_blocks": [{"label": f"b{n}", "value": "x" * 100} for n in range(100)],
    }
    with web_server(world.model) as (_, url):
        stop = threading.Event()
        loops: Counter[int] = Counter()

        def loop() -> None:
            while not stop.is_set():
                loops[ask(url, busy.key, "POST", "/v1/agents/", heavy).status] += 1

        def turn(conversation: str) -> int:
            path = f"/v1/conversations/{conversation}/messages"
            body = {"input": "PAUSE 0.2\nSAY a b c d e f g h i j"}
            return ask(url, busy.key, "POST", path, body, timeout=180).status

        threads = [threading.Thread(target=loop) for _ in range(16)]
        with ThreadPoolExecutor(150) as turns, bystander(url, other.key) as answers:
            for thread in threads:
                thread.start()
            statuses = Counter(turns.map(turn, busy.conversations))
            stop.set()
            for thread in threads:
                thread.join()
    assert statuses == {200: 150}, statuses
    assert set(loops) <= {200, 429, 503}, loops
    check_rows()
    return (
        "150 turns at once and 16 loops of agents with 100 blocks, one key",
        f"{judge(answers)}; 150 of 150 turns complete, {loops[200]} agents",
    )


def over_quota(world: World) -> tuple[str, str]:
    """More than the quotas permit."""
    busy, other = world.tenant(conversations=30), world.tenant()
    limits = {"KEY_REQUESTS_PER_MINUTE": "200", "CONCURRENT_TURNS": "10"}
    with (
        web_server(world.model, **limits) as (_, url),
        bystander(url, other.key) as answers,
        ThreadPoolExecutor(30) as threads,
    ):
        sent = [threads.submit(hold, url, busy.key, pk) for pk in busy.conversations]
        active = Run.objects.active()
        try:
            until(
                lambda: sum(each.done() for each in sent) + active.count() == len(sent),
                seconds=60,
                what="each turn runs or is refused",
            )
        finally:
            world.model.go_on()
        turns = Counter(each.result() for each in sent)
        reads = Counter(
            threads.map(lambda _: ask(url, busy.key, "GET", "/v1/agents/").status, range(READS))
        )
    world.model.start_over()
    # Requests that start at the same moment do not see each other's turns.
    assert 10 <= turns[200] <= 10 + WEB_THREADS, turns
    assert set(turns) == {200, 429}, turns
    assert set(reads) == {200, 429}, reads
    check_rows()
    return (
        f"30 turns with CONCURRENT_TURNS=10, then {READS} reads with KEY_REQUESTS_PER_MINUTE=200",
        f"{turns[429]} turns and {reads[429]} reads get 429; {judge(answers)}",
    )


def hold(url: str, key: str, conversation: str) -> int:
    """Start a turn that waits for the scenario; return the status."""
    path = f"/v1/conversations/{conversation}/messages"
    return ask(url, key, "POST", path, {"input": "HOLD\nSAY done"}).status


def half_sent(path: str, *headers: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", "Content-Length: 1000", *headers]
    return "\r\n".join([*lines, "", "half"]).encode()


def status_of(client: socket.socket) -> int:
    """Return the status with which the server closes a connection; 0 without one."""
    data = b""
    with quiet():
        while part := client.recv(65536):
            data += part
    return int(data.split()[1]) if data.startswith(b"HTTP/1.1 ") else 0


def log_in(url: str, name: str) -> int:
    """Try a wrong password as a browser does; return the status."""
    address = urlsplit(url).netloc
    connection = http.client.HTTPConnection(address, timeout=60)
    token = "x" * 32
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "Cookie": f"csrftoken={token}",
        "Referer": f"{url}/admin/login/",
    }
    fields = {"username": name, "password": "wrong", "csrfmiddlewaretoken": token}
    try:
        connection.request("POST", "/admin/login/", urlencode(fields), headers)
        response = connection.getresponse()
        response.read()
        return response.status
    except OSError:
        return 0
    finally:
        connection.close()
