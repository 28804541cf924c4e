"""Compare turns with direct requests to the model server: first token, concurrent streams.

Part of `make bench`; on its own: `python benchmarks/turns.py`. The model server of the tests runs
in a separate process. Both sides get the same requests in the same run.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

WORDS = 20
PAUSE = 0.1  # Twenty words take two seconds, about the speed of a language model.
STREAMS = 200


def main() -> None:
    from benchmarks.run import DATABASE, administer, url_of  # noqa: PLC0415
    from tests.postgres import postgres  # noqa: PLC0415

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=100)
    parser.add_argument("--streams", type=int, default=STREAMS)
    options = parser.parse_args()
    with postgres() as url:
        administer(url, f"DROP DATABASE IF EXISTS {DATABASE}", f"CREATE DATABASE {DATABASE}")
        try:
            os.environ |= {
                "DATABASE_URL": url_of(url, DATABASE),
                "DJANGO_SETTINGS_MODULE": "project.settings",
                "LOG_LEVEL": "WARNING",
                "PYTHONWARNINGS": "ignore",
            }
            import django  # noqa: PLC0415 (the settings read DATABASE_URL)

            django.setup()
            from django.core.management import call_command  # noqa: PLC0415

            call_command("migrate", verbosity=0)
            measure_turns(url_of(url, DATABASE), turns=options.turns, streams=options.streams)
        finally:
            administer(url, f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")


def measure_turns(url: str, *, turns: int = 100, streams: int = STREAMS) -> None:
    """Print the figures. Requires `django.setup()` and a migrated database."""
    from django.db import connection  # noqa: PLC0415

    from benchmarks.run import server  # noqa: PLC0415
    from conversations.domain.conversations.accounts import issue_key  # noqa: PLC0415
    from tests.factories import make_agent, make_conversation, make_member  # noqa: PLC0415

    member = make_member()
    agent = make_agent(member, labels=["human", "persona"])
    conversations = [make_conversation(agent, isolated=["human"]).pk for _ in range(streams)]
    secret = issue_key(member)[1]
    connection.close()
    with model_server() as model_url:
        os.environ["OPENAI_BASE_URL"] = f"{model_url}/v1"
        running = server(url)
        with running as port:
            ours = Ours(port, secret)
            bare = Bare(urlsplit(model_url).port)
            asyncio.run(report(ours, bare, conversations, turns, running.process.pid))


async def report(ours, bare, conversations: list[str], turns: int, pid: int) -> None:
    for _ in range(10):
        await ours.stream(conversations[0], "SAY hello")
        await bare.stream("SAY hello")
    first: dict[str, list[float]] = {"ours": [], "bare": []}
    for turn in range(turns):
        # Rotate conversations: a long history would add to the model's time, not to ours.
        conversation = conversations[turn % len(conversations)]
        first["bare"].append((await bare.stream("SAY hello"))[0] * 1000)
        first["ours"].append((await ours.stream(conversation, "SAY hello"))[0] * 1000)
    print(f"\nTime to first token, one stream at a time, {turns} turns (ms)\n")
    print(f"{'':24}{'p50':>8}{'p95':>8}")
    for name, times in first.items():
        p50, p95 = (statistics.quantiles(times, n=20)[i] for i in (9, 18))
        print(f"{name:24}{p50:8.1f}{p95:8.1f}")
    added = statistics.median(first["ours"]) - statistics.median(first["bare"])
    print(f"{'added, p50':24}{added:8.1f}", flush=True)

    text = f"PAUSE {PAUSE}\nSAY " + " ".join(f"w{n}" for n in range(WORDS))
    ideal = WORDS * PAUSE
    before = resident(pid)
    peak = asyncio.create_task(highest(pid))
    seconds = {"bare": await together(bare.stream(text) for _ in conversations)}
    busy = processor_seconds(pid)
    seconds["ours"] = await together(ours.stream(pk, text) for pk in conversations)
    busy = processor_seconds(pid) - busy
    peak.cancel()
    try:
        grown = (await peak - before) / len(conversations)
    except asyncio.CancelledError:
        grown = (highest.value - before) / len(conversations)
    print(f"\n{len(conversations)} concurrent streams of {ideal:.0f} s, one process\n")
    for name, took in seconds.items():
        print(f"{name:24}{took:8.2f} s{took / ideal:8.2f} x the ideal")
    print(f"{'server CPU time':24}{busy:8.2f} s ({os.cpu_count()} shared cores)")
    print(f"{'memory per stream':24}{grown:8.0f} KiB", flush=True)


async def together(streams) -> float:
    start = time.perf_counter()
    answers = await asyncio.gather(*streams)
    for _, text in answers:
        assert text.split() == [f"w{n}" for n in range(WORDS)], text
    return time.perf_counter() - start


async def highest(pid: int) -> float:
    """Record the peak memory of a process until cancelled."""
    highest.value = 0.0
    while True:
        highest.value = max(highest.value, resident(pid))
        await asyncio.sleep(0.1)


def processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident(pid: int) -> float:
    """Return the resident memory of a process in KiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return float(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])


class Ours:
    def __init__(self, port: int, secret: str):
        self.port, self.secret = port, secret

    async def stream(self, conversation: str, text: str) -> tuple[float, str]:
        """Return the seconds to the first token, and the whole text."""
        body = {"input": text, "stream_tokens": True, "include_pings": False}
        path = f"/v1/conversations/{conversation}/messages"
        return await read(self.port, path, body, self.secret, lambda event: event.get("content"))


class Bare:
    def __init__(self, port: int):
        self.port = port

    async def stream(self, text: str) -> tuple[float, str]:
        body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": text}]}
        return await read(self.port, "/v1/chat/completions", body, "none", delta_of)


def delta_of(chunk: dict) -> str | None:
    return chunk["choices"][0]["delta"].get("content") if chunk["choices"] else None


async def read(port: int, path: str, body: dict, secret: str, text_of) -> tuple[float, str]:
    start = time.perf_counter()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    data = json.dumps(body).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {secret}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
    )
    writer.write(head.encode() + data)
    status = await reader.readline()
    assert b" 200 " in status, status + await reader.read(2000)
    first, texts = 0.0, []
    while line := await reader.readline():
        if line.startswith(b"data: [DONE]"):
            break
        if line.startswith(b"data: ") and (text := text_of(json.loads(line[6:]))):
            first = first or time.perf_counter() - start
            texts.append(text)
    writer.close()
    return first, "".join(texts)


@contextmanager
def model_server():
    command = [sys.executable, "-m", "tests.model_server"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        yield process.stdout.readline().strip().removesuffix("/v1")
    finally:
        process.terminate()
        process.wait(10)


if __name__ == "__main__":
    main()
