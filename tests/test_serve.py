"""`python -m project.serve`, which `make run` starts."""

import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def serve(port: int, database: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "project.serve"],
        cwd=ROOT,
        env={**os.environ, "PORT": str(port), "DATABASE_URL": f"sqlite:///{database}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@contextmanager
def served(port: int, database: Path) -> Iterator[str]:
    """Yield the output up to the server's first response."""
    process = serve(port, database)
    try:
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line.startswith("Serving"):
                break
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and process.poll() is None:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/health/", timeout=5).close()
                break
            except OSError:
                time.sleep(0.05)
        yield "".join(lines)
    finally:
        process.terminate()
        process.wait(timeout=60)


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_serve_prints_credentials_once(tmp_path, free_port):
    database = tmp_path / "db.sqlite3"

    with served(free_port, database) as first:
        pass
    with served(free_port, database) as second:
        pass

    assert re.search(r"^API key +\S+$", first, re.MULTILINE)
    assert re.search(r"^Password +\S+$", first, re.MULTILINE)
    assert "Password" not in second
    assert f"http://127.0.0.1:{free_port}" in second


def test_serve_names_the_taken_port(tmp_path, free_port):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", free_port))
        taken.listen()
        process = serve(free_port, tmp_path / "db.sqlite3")
        printed, _ = process.communicate(timeout=60)

    assert process.returncode == 1
    assert printed.startswith(f"Port {free_port} is not free")
    assert printed.count("\n") == 1
    assert not (tmp_path / "db.sqlite3").exists()


def test_serve_started_twice_serves_once(tmp_path, free_port):
    database = tmp_path / "db.sqlite3"
    processes = [serve(free_port, database) for _ in range(2)]
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and all(p.poll() is None for p in processes):
            time.sleep(0.05)
        [loser] = [p for p in processes if p.poll() is not None]
        [winner] = [p for p in processes if p is not loser]
        assert "is not free" in loser.communicate(timeout=60)[0]
        assert any(line.startswith("Serving") for line in winner.stdout)
    finally:
        for process in processes:
            process.terminate()
            process.wait(timeout=60)


@pytest.mark.parametrize("path", ["/docs", "/docs/", "/openapi.json", "/openapi.json/", "/admin"])
def test_documentation_is_found_with_and_without_slash(client, db, path):
    assert client.get(path, follow=True).status_code == 200


def test_front_page_names_base_url_and_checks(client):
    page = client.get("/", headers={"host": "localhost"}).content.decode()

    assert "<code>http://localhost</code>" in page
    for link in ("/admin/", "/docs/", "/openapi.json", "/v1/health/", "/v1/ready/"):
        assert f'href="{link}"' in page
