"""The official client, in each pinned version, against a live server.

A journey is a program in journeys/ that imports the client as a user's program does and checks the
results. A failure here shows the failed check and what the server logged during the journey.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..runtime.sandboxes import interpreter
from .install import VERSIONS, client_folder
from .server import ROOT, Server, live_server

JOURNEYS = sorted(
    path.stem for path in (Path(__file__).parent / "journeys").glob("*.py") if path.stem != "common"
)
SINCE = {"fork": (1, 9)}


def has(version: str, journey: str) -> bool:
    return tuple(int(part) for part in version.split(".")) >= SINCE.get(journey, ())


CASES = [(version, name) for version in VERSIONS for name in JOURNEYS if has(version, name)]


@pytest.fixture(scope="session")
def server(running_model_server) -> Iterator[Server]:
    tools = {"TOOL_RUNNER": "subprocess", "TOOL_PYTHON": interpreter()}
    with live_server(OPENAI_BASE_URL=running_model_server.url, **tools) as running:
        yield running


@pytest.fixture(scope="session")
def worlds(server: Server) -> dict[str, dict]:
    return server.make_world(*(f"{version} {name}" for version, name in CASES))


@pytest.mark.parametrize(("version", "journey"), CASES)
def test_journey_passes_with_client(server, worlds, version, journey):
    logged = server.log.stat().st_size
    environment = {
        **os.environ,
        "PYTHONPATH": str(client_folder(version)),
        "CLIENT_VERSION": version,
        "BASE_URL": server.url,
        "WORLD": json.dumps(worlds[f"{version} {journey}"]),
    }

    done = subprocess.run(
        [sys.executable, f"tests/sdk/journeys/{journey}.py"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )

    if done.returncode:
        log = server.log.read_text()[logged:]
        pytest.fail(f"{done.stderr}\nThe server logged:\n{log}", pytrace=False)
    # A journey prints this at its end, so one that stops early fails.
    assert done.stdout.strip() == "passed"
