"""What drf-spectacular can't infer."""

ARRAY_OF_STRINGS = {"type": "array", "items": {"type": "string"}}
# drf-spectacular leaves out a body whose type is null.
NULL = {200: {"nullable": True}}
OBJECT_OF_STRINGS = {"type": "object", "additionalProperties": {"type": "string"}}


def without_aliases(endpoints):
    """Leave out `/latest/…`, V1's other name for every route."""
    return [endpoint for endpoint in endpoints if not endpoint[0].startswith("/latest/")]
