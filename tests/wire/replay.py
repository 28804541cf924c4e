"""Send recorded requests to this server and compare its responses with V1's."""

import json
import re
from typing import Any
from urllib.parse import urlsplit

from rest_framework.test import APIClient

from .differences import CONDENSED, LEFT_OUT, LENGTHS, NOT_COMPARED, NOT_YET, STATUSES
from .exchanges import ID, Exchange

CUT = re.compile(r"(?:…|\.\.\.)\((?:\d+ characters(?:, cut)?|cut)\)$")
# Long values of requests: a repeated character and its count.
REPEATED = re.compile(r"(.)\1+(?:…|\.\.\.)\((\d+) characters(?:, cut)?\)")
PREFIX = re.compile(r"[A-Z_]+: ")
# V1 writes the time zone of rows, of messages and of ended runs differently.
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?P<zone>Z|\+00:00|)")


class Replay:
    """Replays exchanges. `ids` maps recorded ids to ours."""

    def __init__(self, client: APIClient):
        self.client = client
        self.clients: dict[str, APIClient] = {}
        self.ids: dict[str, str] = {}
        self.secrets: dict[str, str] = {}
        self.problems: list[str] = []

    def play(self, *exchanges: Exchange) -> None:
        for exchange in exchanges:
            if exchange.route not in NOT_YET:
                self._play(exchange)

    def _play(self, exchange: Exchange) -> None:
        expected = STATUSES.get(exchange.key)
        response = self.ask(exchange)
        status = expected.status if expected else exchange.status
        if response.status_code != status:
            self._report(
                exchange, f"expected {status}, got {response.status_code}: {_text(response)}"
            )
            return
        if expected and expected.instead is not None:
            response = self.ask(exchange, body={**exchange.body, **expected.instead})
            if response.status_code != exchange.status:
                self._report(exchange, f"instead: {response.status_code}: {_text(response)}")
                return
        elif expected:
            self._compare_refusal(exchange, response)
            return
        self._compare(exchange, response)

    def ask(self, exchange: Exchange, body: Any = None):
        """Send the request with our ids; return our response."""
        headers = {f"HTTP_{self._header(name)}": value for name, value in exchange.headers.items()}
        client = self.client
        if claimed := headers.pop("HTTP_USER_ID", None):
            # V1 trusted the header; here the key identifies the caller.
            claimed = headers["HTTP_USER_ID"] = self.ours(claimed)
            client = self.clients.get(claimed, client)
        if given := headers.get("HTTP_AUTHORIZATION"):
            headers["HTTP_AUTHORIZATION"] = self.secrets.get(given, given)
        kind = headers.pop("HTTP_CONTENT_TYPE", "application/json")
        data = exchange.raw_body or ""
        if exchange.has_body:
            data = self.ours(json.dumps(uncut(exchange.body if body is None else body)))
        return client.generic(
            exchange.method, self.ours(exchange.path), data, content_type=kind, **headers
        )

    def ours(self, text: str) -> str:
        return ID.sub(lambda found: self.ids.get(found[0], found[0]), text)

    @staticmethod
    def _header(name: str) -> str:
        return name.upper().replace("-", "_")

    def _report(self, exchange: Exchange, problem: str) -> None:
        self.problems.append(f"{exchange.file} | {exchange.note}: {problem}")

    def _compare_refusal(self, exchange: Exchange, response) -> None:
        """Check that an error with our own status explains itself in `detail`."""
        if response.status_code >= 400 and not isinstance(response.json().get("detail"), str):
            self._report(exchange, f"expected a text in `detail`, got {_text(response)}")

    def _compare(self, exchange: Exchange, response) -> None:
        if exchange.location:
            self._compare_locations(exchange, response)
            return
        if response["Content-Type"].startswith("text/event-stream"):
            self._compare_streams(exchange, response)
            return
        if not response.content:
            if exchange.answer:
                self._report(exchange, "got no body")
            return
        recorded, got = exchange.answer, response.json()
        if exchange.key in CONDENSED:
            got = CONDENSED[exchange.key](got)
        if exchange.key in NOT_COMPARED:
            return
        if isinstance(recorded, str) and CUT.search(recorded) and recorded[0] in '[{"':
            # Cut JSON: only its first character is known.
            recorded = {"[": [], "{": {}, '"': ""}[recorded[0]]
            if kind_of(recorded) != kind_of(got):
                self._report(exchange, f"expected {kind_of(recorded)}, got {kind_of(got)}")
            return
        if isinstance(recorded, list):
            length = LENGTHS[exchange.key].length if exchange.key in LENGTHS else len(recorded)
            if not isinstance(got, list) or len(got) != length:
                self._report(exchange, f"expected {length} items, got {_text(response)}")
        for problem in different(recorded, got):
            self._report(exchange, problem)
        self._compare_echo(exchange, recorded, got)
        self._learn(recorded, got)

    def _compare_streams(self, exchange: Exchange, response) -> None:
        """Compare the types and order of events; of a cut recording, only complete events."""
        got = events_in(b"".join(response).decode())
        if not isinstance(exchange.answer, str):
            self._report(exchange, "got a stream")
            return
        recorded = events_in(CUT.sub("", exchange.answer))
        if CUT.search(exchange.answer) and len(recorded) < len(got):
            got = got[: len(recorded)]
        kinds = [[event["message_type"] for event in events] for events in (recorded, got)]
        if kinds[0] != kinds[1]:
            self._report(exchange, f"expected the events {kinds[0]}, got {kinds[1]}")
        for problem in different(recorded, got):
            self._report(exchange, problem)

    def _compare_echo(self, exchange: Exchange, recorded: Any, got: Any) -> None:
        """Check that values which V1 returned as sent are returned as sent here."""
        if not (isinstance(exchange.body, dict) and isinstance(got, dict)):
            return
        for name, value in exchange.body.items():
            if value is not None and recorded.get(name) == value and got.get(name) != value:
                self._report(exchange, f"{name}: expected {value!r}, got {got.get(name)!r}")

    def _compare_locations(self, exchange: Exchange, response) -> None:
        expected, got = urlsplit(self.ours(exchange.location or "")), urlsplit(response["Location"])
        if (expected.path, expected.query) != (got.path, got.query):
            self._report(exchange, f"expected {expected.geturl()}, got {got.geturl()}")

    def _learn(self, recorded: Any, got: Any) -> None:
        """Remember which of our ids corresponds to which recorded one."""
        if isinstance(recorded, dict) and isinstance(got, dict):
            for name in recorded.keys() & got.keys():
                self._learn(recorded[name], got[name])
        elif isinstance(recorded, list) and isinstance(got, list) and len(recorded) == len(got):
            by_label = {
                item["label"]: item for item in got if isinstance(item, dict) and "label" in item
            }
            for theirs, other in zip(recorded, got, strict=True):
                label = theirs.get("label") if isinstance(theirs, dict) else None
                # Labels are unique among an agent's blocks, but not in lists of blocks.
                unique = len(by_label) == len(got)
                self._learn(theirs, by_label.get(label, other) if unique else other)
        elif isinstance(recorded, str) and isinstance(got, str) and ID.fullmatch(recorded):
            self.ids.setdefault(recorded, got)


def events_in(stream: str) -> list[dict]:
    """Return the complete events of a stream."""
    events = []
    for line in stream.split("\n"):
        data = line.removeprefix("data: ")
        if data != line and data.endswith("}"):
            events.append(json.loads(data))
    return events


def uncut(body: Any) -> Any:
    """Restore the values of a request body that the recording cut."""
    if isinstance(body, dict):
        return {name: uncut(value) for name, value in body.items()}
    if isinstance(body, str) and (cut := REPEATED.fullmatch(body)):
        return cut[1] * int(cut[2])
    return body


def different(recorded: Any, got: Any, path: str = "") -> list[str]:
    """Return how the shape of our response differs from V1's; null matches anything."""
    if recorded is None or got is None:
        return []
    where = path or "the response"
    if kind_of(recorded) != kind_of(got):
        return [f"{where}: expected {kind_of(recorded)}, got {kind_of(got)}"]
    if isinstance(recorded, dict):
        return _different_objects(recorded, got, path)
    if isinstance(recorded, list):
        return _different_arrays(recorded, got, path)
    if isinstance(recorded, str) and (time := TIME.fullmatch(recorded)):
        ours = TIME.fullmatch(got)
        if ours is None or ours["zone"] != time["zone"]:
            return [f"{where}: expected a time like {recorded}, got {got!r}"]
    if path == "detail" and (prefix := PREFIX.match(recorded)) and not got.startswith(prefix[0]):
        return [f"detail: expected {prefix[0]!r} first, got {got!r}"]
    return []


def _different_objects(recorded: dict, got: dict, path: str) -> list[str]:
    problems = []
    for name, value in recorded.items():
        parent = path.rpartition(".")[2].removesuffix("[]")
        if name == "..." or f"{parent}.{name}" in LEFT_OUT:
            continue
        inner = f"{path}.{name}" if path else name
        if name not in got:
            problems.append(f"{inner} is missing")
        else:
            problems += different(value, got[name], inner)
    return problems


def _different_arrays(recorded: list, got: list, path: str) -> list[str]:
    if recorded and not got and path:
        return [f"{path} is empty"]
    problems = []
    for index, item in enumerate(recorded):
        # Messages of each type have fields of their own.
        kind = item.get("message_type") if isinstance(item, dict) else None
        alike = (
            [ours for ours in got if ours.get("message_type") == kind] if kind else got[index:][:1]
        )
        if kind and not alike:
            problems.append(f"{path}[] has no {kind}")
        for ours in alike:
            problems += different(item, ours, f"{path}[]")
    return list(dict.fromkeys(problems))


def kind_of(value: Any) -> str:
    """Return the JSON name of the type of a value."""
    if isinstance(value, bool):
        return "a boolean"
    kinds: list[tuple[Any, str]] = [
        (dict, "an object"),
        (list, "an array"),
        (str, "a string"),
        ((int, float), "a number"),
    ]
    return next((name for kind, name in kinds if isinstance(value, kind)), "null")


def _text(response) -> str:
    return b"".join(response).decode()[:300]
