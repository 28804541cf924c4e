"""Write docs/compatibility.md: what each method of the official client does on this server.

`make compatibility` calls every method against a server of its own and
writes the page; with `--check` it only compares, and the exit status is 1 if the page is wrong.
"""

import json
import os
import sys
from collections import Counter
from typing import NamedTuple

from tests.mcp_server import mcp_process
from tests.model_server import model_server

from ..install import VERSIONS, client_folder
from ..server import ROOT, live_server, run

PAGE = ROOT / "docs" / "compatibility.md"
VERSION = VERSIONS[-1]
# Resources that only Letta's cloud had: the open-source server had no routes for them.
CLOUD = ("access_tokens.", "agents.schedule.", "environments.", "templates.")
# Methods that work, and what is different from V1.
DIFFERENCES = {
    "agents.create": "fields without effect are named in `warnings`",
    "agents.delete": "hides the agent and its conversations; they can be restored until `purge`",
    "agents.export_file": "exports conversations and isolated blocks too; not in the older format",
    "agents.messages.create": "one turn at a time per conversation; another one is a 409, or waits "
    "or interrupts as the agent's `on_busy` says",
    "agents.recompile": "returns the new prompt; V1 returned the one before",
    "blocks.create": "no stock description; `limit` is enforced",
    "conversations.fork": "keeps isolated blocks",
    "conversations.messages.list": "pages in both orders",
    "conversations.messages.stream": "every run can be followed, not only background ones",
    "messages.retrieve": "returns the message with its type; V1 returned the reasoning alone",
    "messages.search": "the database's full-text search; V1 needed two more services",
    "runs.messages.stream": "every run can be followed, not only background ones",
    "runs.trace.retrieve": "the run and its steps; V1 needed ClickHouse",
    "steps.trace.retrieve": "up to 256 KiB, kept as long as events",
}
INTRODUCTION = f"""# Compatibility with letta-client

Every method of `letta-client` {VERSION}, called against a server with a configured model.
This page is written by `make compatibility`, and a test fails when it is wrong.

- **works**: the method returns what the client's types say.
- **differs**: it works, and does something else than Letta V1 0.16.8 in the point named.
- **501**: the server responds with that status and the reason.
- **missing**: there is no such route (404).

[Differences from V1](api.md#differences-from-v1) lists what concerns more than one method.
"""


class Result(NamedTuple):
    """What a call of a method did."""

    name: str
    status: int
    detail: str

    @property
    def kind(self) -> str:
        """Return the result in one word."""
        if self.status == 200:
            return "differs" if self.name in DIFFERENCES else "works"
        if self.status == 404 and self.detail == "Not Found":
            return "missing"
        return "501" if self.status == 501 else "fails"

    @property
    def why(self) -> str:
        """Return the reason of the result."""
        if self.kind == "fails":
            return f"{self.status}: {self.detail}"
        return DIFFERENCES.get(self.name, self.detail.removeprefix("Not served: "))


def probe() -> list[Result]:
    """Call every method of the client against a new server."""
    with (
        model_server() as model,
        mcp_process() as mcp,
        live_server(
            OPENAI_BASE_URL=model.url, OPENAI_API_KEY="test", OUTBOUND_ALLOWED_HOSTS="127.0.0.1"
        ) as server,
    ):
        world = server.make_world("compatibility")
        environment = {
            **os.environ,
            "PYTHONPATH": str(client_folder(VERSION)),
            "BASE_URL": server.url,
            "MCP_URL": f"{mcp.url}/mcp",
            "API_KEY": world["compatibility"]["key"],
        }
        output = run("tests/sdk/compatibility/probe.py", environment=environment)
    return [Result(**result) for result in json.loads(output)]


def render(results: list[Result]) -> str:
    """Return the page."""
    own = [result for result in results if not result.name.startswith(CLOUD)]
    counts = Counter("works" if r.kind == "differs" else r.kind for r in own)
    lines = [
        f"Of the {len(own)} methods that the open-source V1 server had routes for, "
        f"**{counts['works']}** work.",
        "",
        "| Method | Result | |",
        "| --- | --- | --- |",
        *(f"| `{r.name}` | {r.kind} | {r.why if r.kind != 'missing' else ''} |" for r in own),
        "",
        "## Only in Letta's cloud",
        "",
        "| Method | Result | |",
        "| --- | --- | --- |",
        *(f"| `{r.name}` | {r.kind} | {r.why} |" for r in results if r not in own),
        "",
    ]
    return f"{INTRODUCTION}\n" + "\n".join(lines)


def main() -> None:
    page = render(probe())
    if "--check" not in sys.argv:
        PAGE.write_text(page)
    elif page != PAGE.read_text():
        sys.exit(f"{PAGE.name} is not what the server does. Run `make compatibility`.")


if __name__ == "__main__":
    main()
