"""Workers that are killed at every await of a turn."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from conversations.domain.conversations.accounts import issue_key
from conversations.domain.tools.definitions import BASE_TOOLS
from conversations.domain.tools.rules import with_approvals
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
            with suppress(ProcessLookupError):  # It has died after the end of its run.
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
    """A turn that can be started in its conversation.

    Attributes:
        before: A turn that has to end first, if any.
    """

    conversation: Conversation
    body: dict
    before: "Turn | None" = None
    answers: list[Answer] = field(default_factory=list)
    runs: int = 1

    def send(self, url: str, key: str) -> threading.Thread:
        path = f"/v1/conversations/{self.conversation.pk}/messages"
        body = {"stream_tokens": True, **self.body}
        thread = threading.Thread(
            target=lambda: self.answers.append(ask(url, key, "POST", path, body, timeout=600))
        )
        thread.start()
        return thread

    def is_over(self) -> bool:
        runs = Run.objects.filter(conversation=self.conversation)
        return runs.count() == self.runs and not runs.unfinished().exists()

    def execute(self, workers: Forks, url: str, key: str) -> dict[str, int]:
        """Execute it by a worker that is not armed; return the points that the worker reached."""
        fork = workers.start()
        thread = self.send(url, key)
        assert fork.ended(self.is_over) == "survived"
        thread.join()
        return fork.hits()

    def check(self) -> None:
        """Check that it is complete, and its message stored exactly once."""
        assert self.answers[0].status == 200, self.answers[0]
        check_stream(self.answers[0].body)
        given = (self.before or self).body["input"]
        users = Message.objects.filter(conversations=self.conversation, role="user")
        assert [message.text for message in users].count(given) == 1
        runs = Run.objects.filter(conversation=self.conversation)
        assert {run.status for run in runs} == {"completed"}, [(r.status, r.error) for r in runs]


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


def decided_turn(member: Member) -> Turn:
    """Run a call that the client has approved, and reply."""
    rules = with_approvals([], ["archival_memory_search"])
    agent = make_agent(member, tools=ARCHIVAL, tool_rules=rules, embedding=EMBEDDING)
    make_passage(agent, "Tides turn at six.")
    conversation = make_conversation(agent)
    search = json.dumps({"query": "tides"})
    text = f"CALL archival_memory_search {search}\nSAY {REPLY}"
    approval = {"type": "approval", "tool_call_id": "call_0", "approve": True}
    decision = {"messages": [{"type": "approval", "approvals": [approval]}]}
    return Turn(conversation, decision, before=Turn(conversation, {"input": text}), runs=2)


KINDS = (tools_turn, full_turn, decided_turn)


def kills(world: World) -> tuple[str, str]:
    """The worker killed (SIGKILL) at every await of a turn; another one resumes the turn."""
    member = make_member()
    key = issue_key(member)[1]
    turns: list[Turn] = []
    threads: list[threading.Thread] = []
    reached: set[str] = set()
    killed_at: Counter[str] = Counter()
    # No run is resumed until all workers are killed.
    variables = {"STALLED_RUN_TIMEOUT": "600"}
    with web_server(world.model, RUN_TURNS_IN_WEB="false", **variables) as (_, url):
        with forks(world, **variables) as workers:

            def prepared(make_turn: Callable[[Member], Turn]) -> Turn:
                turn = make_turn(member)
                turns.append(turn)
                if turn.before is not None:
                    turn.before.execute(workers, url, key)
                return turn

            for make_turn in KINDS:
                hits = prepared(make_turn).execute(workers, url, key)
                for point in sorted(hits.keys() - reached):
                    for hit in {1, hits[point]}:
                        turn = prepared(make_turn)
                        fork = workers.start(point, hit)
                        threads.append(turn.send(url, key))
                        killed_at[point] += fork.ended(turn.is_over) == "killed"
                reached |= set(hits)
        variables = {"STALLED_RUN_TIMEOUT": "15"}
        with worker(world.model, **variables), worker(world.model, **variables):
            for thread in threads:
                thread.join()
    for turn in turns:
        turn.check()
    check_rows()
    deadly = sum(count > 0 for count in killed_at.values())
    # Which tasks interleave differs from turn to turn, so a few points may be missed.
    assert deadly > 0.9 * len(reached), f"only {deadly} of {len(reached)} points killed a worker"
    return (
        f"{killed_at.total()} workers, at {deadly} of the {len(reached)} points that three turns "
        f"reach (of {len(points_of_turn())})",
        f"{len(turns)} of {len(turns)} turns complete, every message stored once, "
        "streams without gaps, `check_memory` clean",
    )
