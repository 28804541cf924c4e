"""What a V1 server was asked and answered, as it was recorded.

The recordings lie beside the project, not in it; without them these tests are skipped.
"""

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "wire" / "transcripts"
ID = re.compile(
    r"\b(?:agent|block|conv|message|org|run|step|user)-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"
)
# What the recordings use as the id of nothing.
NOWHERE = re.compile(r"-00000000-0000-[14]000-8000-0000000000(?:ff|01)$")


@dataclass(frozen=True)
class Exchange:
    """One request and V1's answer to it."""

    file: str
    note: str
    method: str
    path: str
    status: int
    answer: Any = None
    location: str | None = None
    body: Any = None
    raw_body: str | None = None
    has_body: bool = False
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str]:
        return self.file, self.note

    @property
    def route(self) -> str:
        """The method and the path without ids, version and query: `GET conversations/{id}`."""
        path = self.path.partition("?")[0].removeprefix("/v1/")
        return f"{self.method} {ID.sub('{id}', path)}"


@cache
def exchanges(file: str) -> tuple[Exchange, ...]:
    """The exchanges of a file, in the order they happened; each with a note of its own."""
    recorded = json.loads((FOLDER / f"{file}.json").read_text())
    # Some files hold findings, not exchanges, or end with one.
    recorded = [row for row in recorded if "method" in row.get("request", {})]
    times = Counter(row["note"] for row in recorded)
    return tuple(_exchange(file, row, repeated=times[row["note"]] > 1) for row in recorded)


def _exchange(file: str, row: dict, *, repeated: bool) -> Exchange:
    request, response = row["request"], row["response"]
    note = f"{request['method']} {request['path']}" if repeated else row["note"]
    return Exchange(
        file=file,
        note=note,
        method=request["method"],
        path=request["path"],
        status=response["status"],
        answer=response.get("body"),
        location=response.get("location"),
        body=request.get("json"),
        raw_body=request.get("content"),
        has_body="json" in request,
        headers=request.get("headers", {}),
    )


def files() -> set[str]:
    """The files that hold exchanges."""
    return {
        path.stem
        for path in FOLDER.glob("*.json")
        if isinstance(json.loads(path.read_text()), list)
    }


def ids_from_before(story: tuple[Exchange, ...]) -> list[str]:
    """The ids that requests name before any answer does: what was there when recording began."""
    known: set[str] = set()
    before: list[str] = []
    for exchange in story:
        asked = " ".join([exchange.path, json.dumps(exchange.body), *exchange.headers.values()])
        for found in ID.findall(asked):
            if found not in known and not NOWHERE.search(found):
                known.add(found)
                before.append(found)
        known.update(ID.findall(json.dumps(exchange.answer)))
    return before
