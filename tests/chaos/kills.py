"""Workers that are killed at every await of a turn."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from conversations.domain.conversations.accounts import issue_key
from conversations.domain.tools.definitions import BASE_TOOLS
from conversations.models import Conversation, Member, Message, Run

from ..factories import (
    make_agent,
    make_conversation,
    make_member,
    make_messages,
    make_passage,
)
from ..runtime.processes import environment, until, web_server, worker
from ..sdk.server import ROOT
from .awaits import points_of_turn
from .world import Answer, World, ask, check_rows, check_stream, numbers

ARCHIVAL = ["archival_memory_insert", "archival_memory_search"]
EMBEDDING = "openai/text-embedding-3-small"
REPLY = " ".join(f"word{n}" for n in range(20))


@dataclass
class Forks:
    """The process that forks workers."""

    process: subprocess.Popen
    folder: Path

    def start(self, *point: object) -> "Fork":
        output = self.folder / f"hits-{next(numbers)}"
        self.process.stdin.write(" ".join(map(str, (output, *point))) + "\n")
        self.process.stdin.flush()
        return Fork(self, int(self.process.stdout.readline()), output)


@dataclass
class Fork:
    """A worker that may be armed with a point."""

    forks: Forks
    pid: int
    output: Path

    def ended(self, is_over: Callable[[], bool]) -> str:
        """Wait for its death, or end it when the run is over; return how it ended."""
        result: list[str] = []
        reader = threading.Thread(
            target=lambda: result.append(self.forks.process.stdout.readline().strip())
        )
        reader.start()
        until(lambda: result or is_over(), seconds=60, what="the worker dies or its run ends")
        if not result:
            os.kill(self.pid, signal.SIGTERM)
        reader.join(60)
        return result[0]

    def hits(self) -> dict[str, int]:
        lines = (line.partition(" ") for line in self.output.read_text().splitlines())
        return {point: int(count) for count, _, point in lines}


@contextmanager
def forks(world: World, **variables: str) -> Iterator[Forks]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.chaos.awaits"],
        cwd=ROOT,
        env=environment(world.model, **variables),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout.readline() == "ready\n", "the workers did not start"
        yield Forks(process, world.folder)
    finally:
        process.stdin.close()
        process.wait(60)


@dataclass
class Turn:
    """A turn that can be started in its conversation."""

    conversation: Conversation
    body: dict
    answer: list[Answer] = field(default_factory=list)

    def send(self, url: str, key: str) -> threading.Thread:
        path = f"/v1/conversations/{self.conversation.pk}/messages"
        body = {"stream_tokens": True, **self.body}
        thread = threading.Thread(
            target=lambda: self.answer.append(ask(url, key, "POST", path, body, timeout=600))
        )
        thread.start()
        return thread

    def is_over(self) -> bool:
        runs = Run.objects.filter(conversation=self.conversation)
        return runs.exists() and not runs.unfinished().exists()


def tools_turn(member: Member) -> Turn:
    """Edit memory, search the archive, and reply."""
    agent = make_agent(
        member, labels=["human"], tools=[*BASE_TOOLS, *ARCHIVAL], embedding=EMBEDDING
    )
    make_passage(agent, "Tides turn at six.")
    number = next(numbers)
    edit = json.dumps({"label": "human", "new_string": f"line {number}"})
    search = json.dumps({"query": "tides"})
    text = f"CALL memory_insert {edit}\nCALL archival_memory_search {search}\nSAY {REPLY}"
    return Turn(make_conversation(agent, isolated=["human"]), {"input": text})


def full_turn(member: Member) -> Turn:
    """Compact the conversation because the provider refuses its length, and reply."""
    conversation = make_conversation(make_agent(member, labels=["human"]))
    make_messages(conversation, *(f"note {n}" for n in range(8)))
    return Turn(conversation, {"input": f"OVERFLOW x1\nSAY {REPLY}\n{next(numbers)}"})


KINDS = {"tools": tools_turn, "full": full_turn}


def kills(world: World) -> tuple[str, str]:
    """The worker killed (SIGKILL) at every await of a turn; another one resumes the turn."""
    member = make_member()
    key = issue_key(member)[1]
    turns: list[Turn] = []
    threads: list[threading.Thread] = []
    reached: set[str] = set()
    endings: Counter[str] = Counter()
    with web_server(world.model, RUN_TURNS_IN_WEB="false", STALLED_RUN_TIMEOUT="600") as (_, url):
        with forks(world, STALLED_RUN_TIMEOUT="600") as workers:
            for make_turn in KINDS.values():
                recorded = make_turn(member)
                thread = recorded.send(url, key)
                fork = workers.start()
                assert fork.ended(recorded.is_over) == "survived"
                thread.join()
                turns.append(recorded)
                hits = fork.hits()
                new = [point for point in hits if point not in reached]
                reached |= set(hits)
                for point in new:
                    for hit in {1, hits[point]}:
                        turn = make_turn(member)
                        turns.append(turn)
                        fork = workers.start(point, hit)
                        threads.append(turn.send(url, key))
                        endings[fork.ended(turn.is_over)] += 1
        with (
            worker(world.model, STALLED_RUN_TIMEOUT="15"),
            worker(world.model, STALLED_RUN_TIMEOUT="15"),
        ):
            for thread in threads:
                thread.join()
    check_turns(turns)
    check_rows()
    every = points_of_turn()
    return (
        f"{endings['killed']} workers, one for each of {len(reached)} points that the turns reach "
        f"(of {len(every)}), the first and the last time",
        f"{len(turns)} of {len(turns)} turns complete, every message stored once, "
        f"streams without gaps, `check_memory` clean",
    )


def check_turns(turns: list[Turn]) -> None:
    for turn in turns:
        assert turn.answer[0].status == 200, turn.answer[0]
        check_stream(turn.answer[0].body)
        users = Message.objects.filter(conversations=turn.conversation, role="user")
        assert [m.text for m in users].count(turn.body["input"]) == 1
        run = Run.objects.get(conversation=turn.conversation)
        assert run.status == "completed", (run.status, run.error)
