"""Read settings from the environment, or stop the process with one sentence.

`NAME_FILE` may hold the path of a file with the value instead of the value (Docker secrets).
"""

import json
import math
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import environ

T = TypeVar("T")

TRUE = ("true", "1", "yes", "on")
FALSE = ("false", "0", "no", "off")
MAX_DAYS = 36_500
CACHE_FORMS = "locmem://, dbcache://table or redis://host:port/number"
DATABASE_FORMS = "sqlite:///path or postgres://user:password@host:port/name"


def text(name: str, default: str = "") -> str:
    """Return the value, or the content of the file that `NAME_FILE` names."""
    path = os.environ.get(f"{name}_FILE")
    if not path:
        return os.environ.get(name, default)
    try:
        return Path(path).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        cause = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        sys.exit(f"{name}_FILE: expected a readable file, found {path!r} ({cause}).")


def boolean(name: str, *, default: bool) -> bool:
    """Return a truth value."""
    return _parsed(name, default, _parse_boolean, "true or false")


def integer(name: str, default: int) -> int:
    """Return a whole number of at least 1."""
    return _parsed(
        name, default, lambda found: int(_positive(int(found))), "a whole number above 0"
    )


def seconds(name: str, default: float) -> float:
    """Return a duration in seconds, more than 0."""
    return _parsed(name, default, lambda found: _positive(float(found)), "seconds, more than 0")


def days(name: str, default: float) -> float:
    """Return a duration in days, more than 0 and at most a hundred years."""
    expected = "days, more than 0 and at most 36500"
    return _parsed(name, default, _parse_days, expected)


def words(name: str, default: Sequence[str] = ()) -> list[str]:
    """Return the parts of a list with commas."""
    found = text(name, ",".join(default))
    return [part.strip() for part in found.split(",") if part.strip()]


def choice(name: str, default: str, choices: Sequence[str]) -> str:
    """Return one of `choices`, or stop the process."""
    found = text(name, default)
    return found if found in choices else _stop(name, " or ".join(choices), repr(found))


def providers(name: str) -> dict[str, dict[str, str]]:
    """Return a JSON object of model providers."""
    expected = '{"name": {"base_url": "https://…", "api_key": "…"}} in JSON'
    # The value holds API keys: the error leaves it out.
    return _parsed(name, {}, _parse_providers, expected, shown="something else")


def database(name: str, default: str) -> dict[str, Any]:
    """Return the entry of `DATABASES` for the URL of a SQLite file or a PostgreSQL database."""
    url = text(name, default)
    scheme, separator, rest = url.partition("://")
    # User and password stay out of the error.
    hidden, at, address = rest.rpartition("@") if separator else scheme.rpartition("@")
    shown = f"{scheme + separator if separator else ''}{'…@' if at else hidden}{address}"
    if scheme not in ("sqlite", "postgres", "postgresql") or not separator:
        _stop(name, DATABASE_FORMS, repr(shown))
    engine = "django.db.backends.sqlite3" if scheme == "sqlite" else "project.postgresql"
    try:
        entry: dict[str, Any] = environ.Env.db_url_config(url, engine=engine)
    except ValueError:
        _stop(name, DATABASE_FORMS, repr(shown))
    if not entry["NAME"] and "service" not in entry.get("OPTIONS", {}):
        _stop(name, DATABASE_FORMS, repr(shown))
    return entry


def cache(name: str, default: str) -> dict[str, Any]:
    """Return an entry of `CACHES`: in the process, a table of the database, or Redis."""
    url = text(name, default)
    scheme, _, rest = url.partition("://")
    if scheme not in ("locmem", "dbcache", "redis", "rediss") or (scheme != "locmem" and not rest):
        # A URL of Redis may contain a password.
        _stop(name, CACHE_FORMS, repr(f"{scheme}://…" if rest else url))
    if scheme == "locmem":
        return {
            "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
            "OPTIONS": {"MAX_ENTRIES": 100_000},
        }
    if scheme == "dbcache":
        return {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": rest}
    return {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": url}


def _parsed(
    name: str, default: T, parse: Callable[[str], T], expected: str, shown: str | None = None
) -> T:
    if name not in os.environ and f"{name}_FILE" not in os.environ:
        return default
    found = text(name)
    try:
        return parse(found)
    except ValueError:
        _stop(name, expected, shown or repr(found))


def _stop(name: str, expected: str, found: str) -> NoReturn:
    sys.exit(f"{name}: expected {expected}, found {found}.")


def _parse_boolean(found: str) -> bool:
    if found.lower() not in TRUE + FALSE:
        raise ValueError
    return found.lower() in TRUE


def _parse_days(found: str) -> float:
    number = _positive(float(found))
    if number > MAX_DAYS:
        raise ValueError
    return number


def _positive(number: float) -> float:
    if not 0 < number < math.inf:
        raise ValueError
    return number


def _parse_providers(found: str) -> dict[str, dict[str, str]]:
    entries: dict[str, dict[str, str]] = json.loads(found or "{}")
    for entry in entries.values() if isinstance(entries, dict) else [entries]:
        if not isinstance(entry, dict) or not isinstance(entry.get("base_url"), str):
            raise ValueError
    return entries
