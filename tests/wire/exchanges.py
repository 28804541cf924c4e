"""Recorded requests to a V1 server and its responses.

`tests/wire/recordings` has the exchanges trimmed to what the replay compares, with invented values.
If the full recordings are available next to the project, they are replayed too.
"""

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

TRIMMED = Path(__file__).parent / "recordings"
FULL = Path(__file__).resolve().parents[3] / "shared" / "wire" / "transcripts"
ID = re.compile(
    r"\b(?:agent|block|conv|message|org|run|step|user)-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"
)
# Ids that the recordings use for rows that do not exist.
NOWHERE = re.compile(r"-00000000-0000-[14]000-8000-0000000000(?:ff|01)$")


@dataclass(frozen=True)
class Exchange:
    """One request and V1's response."""

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


Story = tuple[Exchange, ...]


@dataclass(frozen=True)
class Recordings:
    """A folder of recordings: one story of exchanges per file."""

    folder: Path

    @cache  # noqa: B019  # two instances, as long as the process
    def story(self, *files: str) -> Story:
        """Return the exchanges of these files in order, each with a unique note."""
        return tuple(exchange for file in files for exchange in self._exchanges(file))

    def files(self) -> set[str]:
        """Return the names of the files that have exchanges; others have findings."""
        return {path.stem for path in self.folder.glob("*.json") if path.read_text()[0] == "["}

    def _exchanges(self, file: str) -> Story:
        rows = json.loads((self.folder / f"{file}.json").read_text())
        # Some files end with a finding.
        rows = [row for row in rows if "method" in row.get("request", {})]
        times = Counter(row["note"] for row in rows)
        return tuple(_exchange(file, row, repeated=times[row["note"]] > 1) for row in rows)


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


def preexisting_ids(story: Story) -> list[str]:
    """Return the ids that requests name before any response does: rows made before recording."""
    known: set[str] = set()
    preexisting: list[str] = []
    for exchange in story:
        request = " ".join([exchange.path, json.dumps(exchange.body), *exchange.headers.values()])
        for found in ID.findall(request):
            if found not in known and not NOWHERE.search(found):
                known.add(found)
                preexisting.append(found)
        known.update(ID.findall(json.dumps(exchange.answer)))
    return preexisting
