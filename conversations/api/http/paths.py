"""Labels in paths. A label may be any text; servers decode a path before Django routes it."""

from typing import Any
from urllib.parse import unquote

from django.http import HttpRequest
from django.urls import Resolver404, ResolverMatch, resolve
from drf_spectacular.utils import OpenApiParameter

from ...text import replace_unstorable

BLOCK_LABEL = OpenApiParameter(
    "block_label",
    str,
    OpenApiParameter.QUERY,
    description="Takes precedence over the label in the path, for a label that a path can't have: "
    "an empty one, `.` and `..`, or one with a slash behind a server that decodes paths.",
)
# Stands for an encoded slash while a path is resolved. No decoded path contains it.
_ENCODED_SLASH = "\udc2f"


def resolve_encoded(request: HttpRequest) -> ResolverMatch | None:
    """Resolve the path of a request with its encoded slashes as part of the label or id.

    Returns None for a path without encoded slashes, and if the server does not pass on the path
    that it received: as `raw_path` (ASGI), RAW_URI or REQUEST_URI.
    """
    raw = _raw_path(request)
    if "%2f" not in raw.lower():
        return None
    path = "/".join(unquote(part).replace("/", _ENCODED_SLASH) for part in raw.split("/"))
    if path.replace(_ENCODED_SLASH, "/") != request.path:
        return None  # A proxy or middleware has changed the one or the other.
    prefix_length = len(request.path) - len(request.path_info)
    try:
        match = resolve(path[prefix_length:], getattr(request, "urlconf", None))
    except Resolver404:
        return None
    return match


def path_arguments(request: HttpRequest, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a view, with `block_label` of the query as the label.

    What cannot be stored is replaced: PostgreSQL rejects NUL in a query, and no label contains it.
    """
    if "label" in arguments and BLOCK_LABEL.name in request.GET:
        arguments = {**arguments, "label": request.GET[BLOCK_LABEL.name]}
    return {
        name: replace_unstorable(value.replace(_ENCODED_SLASH, "/"))
        if isinstance(value, str)
        else value
        for name, value in arguments.items()
    }


def _raw_path(request: HttpRequest) -> str:
    """Return the encoded path that the server received, or an empty string."""
    scope = getattr(request, "scope", {})
    if raw := scope.get("raw_path"):
        return str(raw.decode("latin1"))
    uri: str = request.META.get("RAW_URI") or request.META.get("REQUEST_URI") or ""
    return uri.partition("?")[0]
