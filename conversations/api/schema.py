"""OpenAPI of the API, derived from URLs, docstrings, serializers and shapes."""

from collections.abc import Callable
from types import GenericAlias, UnionType
from typing import Any, Literal, TypeVar

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent, get_doc
from drf_spectacular.utils import OpenApiParameter, extend_schema
from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema
from typing_extensions import is_typeddict

from ..models import Scope
from .http.paths import BLOCK_LABEL
from .shapes.server import ErrorJSON

Direction = Literal["request", "response"]
Schema = dict[str, Any]
Idempotency = Literal["response", "run", "none"]
# drf-spectacular documents no body for `None`.
NULL = {200: {"type": "null"}}
IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    description="For 24 hours, the same request with the same key gets the same response.",
)
View = TypeVar("View", bound=Callable[..., Any])


def operation(
    operation_id: str,
    *parameters: Any,
    scope: Scope | None,
    body: Any = None,
    response: Any = NULL,
    idempotency: Idempotency = "response",
) -> Callable[[View], View]:
    """Describe what a method of a view needs, reads and returns, besides its docstring.

    Args:
        operation_id: Names the operation in generated clients.
        parameters: Serializers of the query, and headers.
        scope: The scope that the key needs; None if the view needs no key.
        body: The serializer of the body, if it takes one.
        response: A TypedDict, or a list, dict or union of types; JSON null by default.
        idempotency: What is stored for a POST with an Idempotency-Key: its response, for which the
            method must be one transaction, the run that it starts, or nothing.
    """

    def describe(method: View) -> View:
        # Functions have no declared attributes.
        method.scope = scope  # type: ignore[attr-defined]
        is_write = method.__name__ == "post" and scope not in (None, Scope.READ)
        method.idempotency = idempotency if is_write else "none"  # type: ignore[attr-defined]
        shown = list(parameters)
        if is_write and idempotency != "none":
            shown.append(IDEMPOTENCY_KEY)
        return extend_schema(
            operation_id=operation_id, parameters=shown, request=body, responses=response
        )(method)

    return describe


def scope_of(method: Callable[..., Any]) -> Scope | None:
    """Return the scope that a method of a view needs; None if it names none."""
    scope: Scope | None = getattr(method, "scope", None)
    return scope


def stores_response(method: object) -> bool:
    """Return whether the response to a request with an Idempotency-Key is stored."""
    return getattr(method, "idempotency", "none") == "response"


class _ShapeSchema(GenerateJsonSchema):
    """pydantic's JSON schema without titles and with `Agent` for `AgentJSON`."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def normalize_name(self, name: str) -> str:
        return super().normalize_name(name).removesuffix("JSON")


class ApiSchema(AutoSchema):
    """Describe operations by docstrings, and JSON responses by the shapes that build them."""

    def get_summary(self) -> str:
        """Return the first line of the method's docstring."""
        return self._docstring().partition("\n")[0].removesuffix(".")

    # drf-spectacular takes no arguments here, unlike DRF.
    def get_description(self) -> str:  # type: ignore[override]
        """Return the rest of that docstring, and the scope."""
        rest = self._docstring().partition("\n")[2].strip()
        scope = scope_of(getattr(self.view, self.method.lower()))
        return f"{rest}\n\nNeeds a key of scope `{scope}`.".lstrip() if scope else rest

    def get_override_parameters(self) -> list[Any]:
        """Return the parameters that all operations with such a path take."""
        return [BLOCK_LABEL] if "{label}" in self.path else []

    def _docstring(self) -> str:
        return get_doc(getattr(self.view, self.method.lower()))

    def _get_response_bodies(self, direction: Direction = "response") -> Schema:
        shape = self.get_response_serializers()
        if _is_shape(shape):
            # Not the 204 and 201 that drf-spectacular supposes for DELETE and for creation.
            bodies = {"200": self._get_response_for_code(shape, "200", direction=direction)}
        else:
            bodies = super()._get_response_bodies(direction)
        error = self._get_response_for_code(ErrorJSON, "default", ["application/json"])
        return bodies | {"default": {**error, "description": "An error"}}

    def _get_response_for_code(
        self,
        serializer: Any,
        status_code: str,
        media_types: list[str] | None = None,
        direction: Direction = "response",
    ) -> Schema:
        if _is_shape(serializer):
            serializer = self._shape_schema(serializer)
        # drf-spectacular does not annotate this method.
        response: Schema = super()._get_response_for_code(  # type: ignore[no-untyped-call]
            serializer, status_code, media_types, direction
        )
        return response

    def _shape_schema(self, shape: Any) -> Schema:
        # Inside a list, because the schema of a bare TypedDict is inlined.
        schema = TypeAdapter(list[shape]).json_schema(
            mode="serialization",
            ref_template="#/components/schemas/{model}",
            schema_generator=_ShapeSchema,
        )
        for name, definition in schema.pop("$defs", {}).items():
            definition.pop("title", None)
            component = ResolvedComponent(name, ResolvedComponent.SCHEMA, definition, object=name)
            self.registry.register_on_missing(component)
        items: Schema = schema["items"]
        return items


def _is_shape(value: Any) -> bool:
    return is_typeddict(value) or isinstance(value, GenericAlias | UnionType)
