"""Reading a request: its path, query and body, each wrong value named in a 422."""

from typing import Any

from rest_framework import serializers

from .errors import InvalidRequest


def read_query(request, serializer_class: type[serializers.Serializer]) -> dict[str, Any]:
    """The query parameters; those that are not documented are ignored."""
    given = request.query_params
    lists = {
        name
        for name, field in serializer_class().fields.items()
        if isinstance(field, serializers.ListField)
    }
    # A plain dict: DRF takes a QueryDict for a form, where a missing box means false.
    data = {name: given.getlist(name) if name in lists else given[name] for name in given}
    serializer = serializer_class(data=data)
    serializer.is_valid(raise_exception=True)
    return serializer.validated_data


def read_body(
    request, serializer_class: type[serializers.Serializer], *, required: bool = True
) -> dict[str, Any]:
    """The fields the body names; unknown ones are ignored, as V1 does."""
    body = request.data
    if not _has_body(request):
        if required:
            raise InvalidRequest("body: expected a JSON object, got no body")
        body = {}
    if not isinstance(body, dict):
        raise InvalidRequest(f"body: expected a JSON object, got {kind_of(body)}")
    serializer = serializer_class(data=body)
    serializer.is_valid(raise_exception=True)
    return serializer.validated_data


def read_form(request, serializer_class: type[serializers.Serializer]) -> dict[str, Any]:
    """The fields of a multipart form, of which a file is one."""
    # A plain dict, as in a query.
    serializer = serializer_class(data={name: request.data[name] for name in request.data})
    serializer.is_valid(raise_exception=True)
    return serializer.validated_data


def _has_body(request) -> bool:
    return (request.META.get("CONTENT_LENGTH") or "0") != "0"


def kind_of(value: Any) -> str:
    """What JSON calls the type of a value."""
    kinds = {list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return kinds.get(type(value), "a number")
