"""The times that limit a search of passages."""

from datetime import datetime, time, tzinfo

from ..errors import InvalidValue


def parse_start(name: str, text: str, zone: tzinfo) -> datetime:
    """Parse a day or a time in ISO 8601; without an offset, it is in the given zone."""
    return _parse(name, text, zone)


def parse_end(name: str, text: str, zone: tzinfo) -> datetime:
    """Parse a day or a time in ISO 8601; a day means its end."""
    parsed = _parse(name, text, zone)
    is_day = "T" not in text and ":" not in text
    return datetime.combine(parsed.date(), time.max, parsed.tzinfo) if is_day else parsed


def _parse(name: str, text: str, zone: tzinfo) -> datetime:
    try:
        parsed = datetime.fromisoformat(text)
        aware = parsed if parsed.tzinfo else parsed.replace(tzinfo=zone)
        aware.utctimetuple()  # OverflowError near the first and last year.
    except (ValueError, OverflowError):
        expected = "expected a day or a time in ISO 8601 like '2026-01-15' or '2026-01-15T14:30'"
        raise InvalidValue(name, f"{expected}, got {text[:60]!r}") from None
    return aware
