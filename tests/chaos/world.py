"""What scenarios share: tenants, a load of readers, writers and streams, and what must hold."""

import http.client
import json
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

from conversations.domain.conversations.accounts import issue_key
from conversations.domain.integrity.check import find_breaches
from conversations.domain.tools.definitions import BASE_TOOLS
from conversations.models import BlockRevision, Message, Run, RunEvent

from ..factories import make_agent, make_block, make_conversation, make_member
from .database import Database

numbers = count(1)


@dataclass
class Tenant:
    """An organization with a key, and what its clients use."""

    key: str
    agent: str
    conversations: list[str]
    blocks: list[str]


@dataclass
class World:
    """What a scenario may use and break."""

    database: Database
    model: object
    folder: Path

    def tenant(self, *, conversations: int = 8, blocks: int = 4) -> Tenant:
        member = make_member()
        agent = make_agent(member, labels=["human"], tools=BASE_TOOLS)
        return Tenant(
            issue_key(member)[1],
            agent.pk,
            [make_conversation(agent, isolated=["human"]).pk for _ in range(conversations)],
            [make_block(member, label=f"b{n}").pk for n in range(blocks)],
        )


@dataclass
class Answer:
    """How one request ended. Status 0: the connection broke or timed out."""

    status: int
    seconds: float
    body: bytes = b""


def ask(
    url: str, key: str, method: str, path: str, body: object = None, *, timeout: float = 90
) -> Answer:
    """Send one request and read its whole response."""
    begun = time.monotonic()
    headers = {"Content-Type": "application/json"}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=timeout)
    status, data = 0, b""
    try:
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        response = connection.getresponse()
        data = response.read()
        status = response.status
    except (OSError, http.client.HTTPException):
        pass
    finally:
        connection.close()
    return Answer(status, time.monotonic() - begun, data)


@dataclass
class Load:
    """Readers, writers, streams and a health check, each of which repeats its request.

    Attributes:
        pause: Seconds between two of the twenty words of a reply.
        answers: The answers by kind of request.
        values: The acknowledged ones by block.
        texts: The acknowledged ones by conversation.
        streams: The streams that began.
    """

    url: str
    tenant: Tenant
    readers: int = 3
    writers: int = 3
    streaming: int = 6
    pause: float = 0.1
    answers: defaultdict[str, list[Answer]] = field(default_factory=lambda: defaultdict(list))
    values: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    texts: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    streams: list[bytes] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def running(self) -> Iterator["Load"]:
        """Send requests for the length of the block, and wait for the last answers."""
        pauses = {"read": 0.1, "write": 0.1, "stream": 0.1, "health": 0.2}
        sends: list[tuple[str, Callable[[], Answer]]] = [("health", self._check_health)]
        sends += [("read", self._read)] * self.readers
        blocks, conversations = self.tenant.blocks, self.tenant.conversations
        for number in range(self.writers):
            sends.append(("write", lambda pk=blocks[number]: self._write(pk)))
        for number in range(self.streaming):
            sends.append(("stream", lambda pk=conversations[number]: self._stream(pk)))

        def repeat(kind: str, send: Callable[[], Answer]) -> None:
            while not self._stop.is_set():
                self.answers[kind].append(send())
                self._stop.wait(pauses[kind])

        threads = [threading.Thread(target=repeat, args=each) for each in sends]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()

    def stop(self) -> None:
        """Send no further requests."""
        self._stop.set()

    def wait_for(self, kind: str, more: int, *, seconds: float = 60) -> None:
        """Wait until so many more requests of a kind have succeeded."""
        before = self.successes(kind)
        deadline = time.monotonic() + seconds
        while self.successes(kind) < before + more:
            assert time.monotonic() < deadline, f"no {kind} succeeds: {self.statuses(kind)}"
            time.sleep(0.05)

    def successes(self, kind: str) -> int:
        return sum(answer.status == 200 for answer in list(self.answers[kind]))

    def statuses(self, kind: str) -> dict[int, int]:
        return dict(Counter(answer.status for answer in list(self.answers[kind])))

    def slowest(self, *kinds: str) -> float:
        return max((a.seconds for kind in kinds for a in self.answers[kind]), default=0.0)

    def _check_health(self) -> Answer:
        return ask(self.url, "", "GET", "/v1/health/", timeout=10)

    def _read(self) -> Answer:
        return ask(self.url, self.tenant.key, "GET", "/v1/agents/")

    def _write(self, block: str) -> Answer:
        value = f"value {next(numbers)}"
        path = f"/v1/blocks/{block}"
        answer = ask(self.url, self.tenant.key, "PATCH", path, {"value": value})
        if answer.status == 200:
            self.values[block].append(value)
        return answer

    def _stream(self, conversation: str) -> Answer:
        number = next(numbers)
        edit = json.dumps({"label": "human", "new_string": f"line {number}"})
        said = " ".join(f"{number}.{word}" for word in range(20))
        text = f"CALL memory_insert {edit}\nPAUSE {self.pause}\nSAY {said}"
        path = f"/v1/conversations/{conversation}/messages"
        body = {"input": text, "stream_tokens": True}
        answer = ask(self.url, self.tenant.key, "POST", path, body, timeout=180)
        if answer.status == 200:
            self.texts[conversation].append(text)
            self.streams.append(answer.body)
        return answer

    def check(self) -> str:
        """Check what must hold after every load; return it in words."""
        check_health(self)
        for stream in self.streams:
            check_stream(stream)
        check_acknowledged(self)
        check_rows()
        written = sum(map(len, self.values.values()))
        return (
            f"{written} acknowledged edits and {len(self.streams)} messages, 0 lost; "
            f"{len(self.streams)} of {len(self.streams)} streams complete"
        )


def check_health(load: Load) -> None:
    assert set(load.statuses("health")) == {200}, f"health: {load.statuses('health')}"


def check_stream(stream: bytes) -> None:
    """Check that a stream is numbered, ends, and ends with a whole reply."""
    text = stream.decode()
    assert text.endswith("data: [DONE]\n\n"), f"a stream was cut: …{text[-300:]}"
    events = [json.loads(line[6:]) for line in text.split("\n") if line.startswith("data: {")]
    sequence = [event["seq_id"] for event in events if event.get("seq_id")]
    assert sequence == sorted(set(sequence)), "the numbers of a stream are not in order"
    said = [event for event in events if event["message_type"] == "assistant_message"]
    assert said, f"a stream without a reply: …{text[-300:]}"
    reply = "".join(e["content"] for e in said if e["id"] == said[-1]["id"]).split()
    assert len(reply) == 20, f"a reply is not whole: {reply}"


def check_acknowledged(load: Load) -> None:
    """Check that what was acknowledged is stored, messages exactly once."""
    for block, values in load.values.items():
        stored = set(BlockRevision.objects.filter(block=block).values_list("value", flat=True))
        assert set(values) <= stored, f"lost edits of {block}: {set(values) - stored}"
    for conversation, texts in load.texts.items():
        messages = Message.objects.filter(conversations=conversation, role="user")
        stored_texts = Counter(message.text for message in messages)
        for text in texts:
            assert stored_texts[text] == 1, f"{stored_texts[text]} times: {text!r}"


def check_rows() -> None:
    """Check that no run is left, no stream has gaps, and `check_memory` finds nothing."""
    deadline = time.monotonic() + 120
    while left := Run.objects.unfinished().count():
        assert time.monotonic() < deadline, f"{left} runs never end"
        time.sleep(0.2)
    sequences: defaultdict[str, list[int]] = defaultdict(list)
    for run_id, seq in RunEvent.objects.order_by("run", "seq").values_list("run", "seq"):
        sequences[run_id].append(seq)
    for run_id, sequence in sequences.items():
        assert sequence == list(range(1, len(sequence) + 1)), f"gaps in the events of {run_id}"
    breaches = list(find_breaches())
    assert not breaches, f"check_memory: {breaches[:3]}"


@contextmanager
def quiet() -> Iterator[None]:
    """Ignore a connection that the other side has closed."""
    with suppress(OSError):
        yield
