"""Run servers and workers as an operator does, as processes that can be killed."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from urllib.parse import quote

import httpx

from ..sdk.server import ROOT


def environment(model, **variables: str) -> dict[str, str]:
    """Return the environment of a process that uses this test's database and model."""
    from django.db import connection  # noqa: PLC0415 (tests import this before it is ready)

    settings = connection.settings_dict
    if connection.vendor == "postgresql":
        given = os.environ["DATABASE_URL"]
        address, mark, query = given.partition("?")
        url = f"{address.rpartition('/')[0]}/{settings['NAME']}{mark}{query}"
        if role := re.search(r"-c role=\S+", settings["OPTIONS"]["options"]):
            url += f"{'&' if mark else '?'}options={quote(role[0])}"
    else:
        url = f"sqlite:///{settings['NAME']}"
    return {
        **os.environ,
        "DATABASE_URL": url,
        "SECRET_KEY": "only-for-tests",
        "OPENAI_BASE_URL": model.url,
        "PYTHONUNBUFFERED": "1",
        "PYTHONWARNINGS": "ignore",
        **variables,
    }


@contextmanager
def process(*arguments: str, variables: dict[str, str], ready: str):
    """Run a Python program for the length of a block, which starts once it printed `ready`."""
    running = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    lines: list[str] = []
    found = threading.Event()

    def read():
        for line in running.stdout:
            lines.append(line)
            if ready in line:
                found.set()

    threading.Thread(target=read, daemon=True).start()
    try:
        assert found.wait(60), "".join(lines)
        running.lines = lines
        yield running
    finally:
        if running.poll() is None:
            running.terminate()
            try:
                running.wait(40)
            except subprocess.TimeoutExpired:
                running.kill()
                running.wait()


@contextmanager
def web_server(model, **variables: str):
    """Yield (process, url)."""
    command = ("-m", "project.server", "--port", "0")
    with process(
        *command, variables=environment(model, **variables), ready="running on"
    ) as running:
        line = next(line for line in running.lines if "running on" in line)
        yield running, line.split("running on ")[1].split()[0]


def worker(model, **variables: str):
    return process(
        "manage.py",
        "run_worker",
        variables=environment(model, **variables),
        ready="waiting for turns",
    )


def kill(running: subprocess.Popen) -> None:
    os.kill(running.pid, signal.SIGKILL)
    running.wait()


def post(url: str, secret: str, path: str, body: dict | None = None, *, seconds: float = 60):
    headers = {"Authorization": f"Bearer {secret}"}
    return httpx.post(f"{url}/v1/{path}", json=body, headers=headers, timeout=seconds)


def until(condition, *, seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s: {what}")
