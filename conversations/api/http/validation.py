"""Validate queries, JSON bodies and forms; each invalid value is named in a 422 response."""

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request

from .errors import InvalidRequest
from .warnings import warn_of_ignored

# What a serializer has validated, by name of the parameter or field.
Query = dict[str, Any]
Serializer = type[serializers.Serializer[Any]]


def read_query(request: Request, serializer_class: Serializer) -> Query:
    """Return the validated query parameters; warn of unknown ones."""
    given = request.query_params
    lists = {
        name
        for name, field in serializer_class().fields.items()
        if isinstance(field, serializers.ListField)
    }
    # A plain dict: DRF reads a QueryDict as an HTML form, where an absent checkbox means false.
    data = {name: given.getlist(name) if name in lists else given[name] for name in given}
    return _validated(request, serializer_class, data)


def read_body(request: Request, serializer_class: Serializer, *, required: bool = True) -> Query:
    """Return the validated fields of a JSON object; warn of unknown ones, which V1 ignored."""
    body = request.data
    if (request.META.get("CONTENT_LENGTH") or "0") == "0":
        if required:
            raise InvalidRequest("body: expected a JSON object, got no body")
        body = {}
    if not isinstance(body, dict):
        raise InvalidRequest(f"body: expected a JSON object, got {_json_type(body)}")
    return _validated(request, serializer_class, body)


def read_array(request: Request, field: serializers.ListField, name: str) -> list[Any]:
    """Return the validated items of a JSON array; errors name it `name`."""
    try:
        items: list[Any] = field.run_validation(request.data)
    except serializers.ValidationError as error:
        raise serializers.ValidationError({name: error.detail}) from error
    return items


def read_form(request: Request, serializer_class: Serializer) -> Query:
    """Return the validated fields of a multipart form, files included."""
    # A plain dict, as in `read_query`.
    form: Any = request.data
    return _validated(request, serializer_class, {name: form[name] for name in form})


def _validated(request: Request, serializer_class: Serializer, data: dict[str, Any]) -> Query:
    serializer = serializer_class(data=data)
    serializer.is_valid(raise_exception=True)
    warn_of_ignored(request, serializer, data)
    validated: Query = serializer.validated_data
    return validated


def _json_type(value: Any) -> str:
    names = {list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")
