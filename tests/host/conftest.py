"""The host project with the wheel installed, for each supported Python and Django."""

import fcntl
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECT = Path(__file__).resolve().parent / "project"
BUILD = ROOT / "build" / "host"
# Python and Django: the oldest and the newest supported pair.
PAIRS = {"oldest": ("3.11", "5.2"), "newest": ("3.13", "6.1")}
SERVERS = {
    "uvicorn": ["-m", "uvicorn", "host.asgi:application", "--port", "{port}"],
    "hypercorn": ["-m", "hypercorn", "host.asgi:application", "--bind", "127.0.0.1:{port}"],
    "daphne": ["-m", "daphne", "host.asgi:application", "--port", "{port}"],
    "granian": [
        "-m",
        "granian",
        "--interface",
        "asgi",
        "--port",
        "{port}",
        "host.asgi:application",
    ],
    "gunicorn": ["-m", "gunicorn", "host.wsgi", "--threads", "8", "--bind", "127.0.0.1:{port}"],
}


def find_python(version: str) -> str | None:
    """Return an interpreter of this minor version from PATH or pyenv."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    candidates = [shutil.which(f"python{version}"), *pyenv.glob(f"versions/{version}.*/bin/python")]
    for candidate in filter(None, candidates):
        asked = subprocess.run([candidate, "--version"], capture_output=True, text=True)
        if asked.returncode == 0 and asked.stdout.startswith(f"Python {version}."):
            return str(candidate)
    return None


class Host:
    """The host project: runs commands and servers with its interpreter and database."""

    def __init__(self, python: Path, folder: Path, model_url: str):
        self.python = python
        self.environment = {
            **{name: value for name, value in os.environ.items() if name != "DATABASE_URL"},
            "DJANGO_SETTINGS_MODULE": "host.settings",
            "HOST_DATABASE": str(folder / "host.sqlite3"),
            "HOST_MODEL_URL": model_url,
            "PYTHONUNBUFFERED": "1",
        }
        self.key = ""

    def run(self, *arguments: str, **variables: str) -> str:
        """Run Python and return its output; fail with all output on an error."""
        done = subprocess.run(
            [self.python, *arguments],
            cwd=PROJECT,
            env={**self.environment, **variables},
            capture_output=True,
            text=True,
            timeout=180,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @contextmanager
    def serve(self, server: str) -> Iterator["Client"]:
        """Run the project under this server with its documented command."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        command = [part.format(port=port) for part in SERVERS[server]]
        process = subprocess.Popen(
            [self.python, *command],
            cwd=PROJECT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        try:
            client = Client(port, self.key)
            client.wait(process)
            yield client
        finally:
            process.terminate()
            try:
                process.communicate(timeout=60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()


class Client:
    """Send requests to the running host, with the API key by default."""

    def __init__(self, port: int, key: str):
        self.port, self.key, self.cookies = port, key, {}

    def wait(self, process: subprocess.Popen) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            assert process.poll() is None, process.communicate()[0].decode()
            try:
                self.request("GET", "/deep/inside/v1/health/")
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise AssertionError("the server did not start")

    def open(self, method: str, path: str, body: object = None, form: dict | None = None):
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        if form is not None:
            data = urlencode(form)
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        else:
            data = None if body is None else json.dumps(body)
            headers["Content-Type"] = "application/json"
            headers["Authorization"] = f"Bearer {self.key}"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(method, path, data, headers)
        response = connection.getresponse()
        for cookie in response.headers.get_all("Set-Cookie", []):
            name, _, value = cookie.partition(";")[0].partition("=")
            self.cookies[name] = value
        return response

    def request(self, method: str, path: str, body: object = None, form: dict | None = None):
        response = self.open(method, path, body, form)
        return response.status, response.read().decode()

    def api(self, method: str, path: str, body: object = None):
        status, text = self.request(method, f"/deep/inside/v1/{path}", body)
        assert status == 200, text
        return json.loads(text)


def install(name: str, interpreter: str, django: str) -> Path:
    """Install the wheel of this checkout, Django and servers; return the new interpreter.

    Test processes that run at the same time share the environment: the first one makes it.
    """
    environment = BUILD / name
    stamp = environment / "run"
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", f"process {os.getpid()}")
    BUILD.mkdir(parents=True, exist_ok=True)
    with (BUILD / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text() != run:
            shutil.rmtree(environment, ignore_errors=True)
            subprocess.run([interpreter, "-m", "venv", environment], check=True, timeout=300)
            build = [sys.executable, "-m", "build", "--wheel", "--outdir", environment, ROOT]
            subprocess.run(build, check=True, capture_output=True, timeout=300)
            [wheel] = environment.glob("*.whl")
            pip = [environment / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check"]
            packages = [wheel, f"django=={django}.*", *SERVERS]
            subprocess.run([*pip, *packages], check=True, timeout=900)
            stamp.write_text(run)
    return environment / "bin" / "python"


@pytest.fixture(scope="session", params=PAIRS)
def host(request, tmp_path_factory, running_model_server) -> Host:
    """Return the migrated host project with an API key."""
    version, django = PAIRS[request.param]
    interpreter = find_python(version)
    if interpreter is None:
        pytest.skip(f"there is no Python {version} on this machine")
    python = install(request.param, interpreter, django)
    running_model_server.start_over()
    made = Host(python, tmp_path_factory.mktemp("host"), running_model_server.url)
    made.run("manage.py", "migrate", "--verbosity", "0")
    printed = made.run(
        "manage.py", "create_api_key", "--organization", "Acme", "--member", "backend", "--create"
    )
    made.key = printed.split()[-1]
    return made
