"""What the OpenAPI document of this server leaves out."""

from typing import Any


def without_aliases(endpoints: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Leave out `/latest/…`, V1's other name for every route."""
    return [endpoint for endpoint in endpoints if not endpoint[0].startswith("/latest/")]
