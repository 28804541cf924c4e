"""Request bodies and queries of identities."""

from typing import Any

from rest_framework import serializers

from ...domain.conversations.identities import MAX_PROPERTIES
from ...models import IdentityType
from ...text import find_unstorable
from .fields import OPTIONAL, Input, PageQuery, StrictChoice, StrictList, StrictString

PROPERTY_TYPES = ["string", "number", "boolean", "json"]


class PropertyValue(serializers.JSONField):
    """A string, a number, a boolean or an object."""

    default_error_messages = {"null": "expected a string, a number, a boolean or an object"}

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str | int | float | dict):
            self.fail("null")
        if unstorable := find_unstorable(data):
            raise serializers.ValidationError(f"has {unstorable.problem}, which can't be stored")
        return data


class IdentityProperty(Input):
    """A property of an identity."""

    key = StrictString(allow_blank=False, max_length=200)
    value = PropertyValue()
    type = StrictChoice(PROPERTY_TYPES)


class Properties(StrictList):
    """The properties of an identity."""

    def __init__(self, **kwargs: Any):
        super().__init__(child=IdentityProperty(), max_length=MAX_PROPERTIES, **kwargs)


class IdentityBody(Input):
    """The fields of an identity. Null means absent, except for `project_id`."""

    identifier_key = StrictString(allow_blank=False, max_length=200)
    name = StrictString(max_length=200)
    identity_type = StrictChoice(IdentityType.values)
    project_id = StrictString(**OPTIONAL, max_length=200)
    properties = Properties(**OPTIONAL)
    agent_ids = StrictList(child=StrictString(), **OPTIONAL)
    block_ids = StrictList(child=StrictString(), **OPTIONAL)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        return {
            name: value
            for name, value in attrs.items()
            if value is not None or name == "project_id"
        }


class CreateIdentityBody(IdentityBody):
    """The body of POST and PUT /v1/identities/."""


class UpdateIdentityBody(IdentityBody):
    """The body of PATCH /v1/identities/{id}; lists are added to those it has, as in V1."""

    identifier_key = StrictString(**OPTIONAL, allow_blank=False, max_length=200)
    name = StrictString(**OPTIONAL, max_length=200)
    identity_type = StrictChoice(IdentityType.values, **OPTIONAL)


class ListIdentitiesQuery(PageQuery):
    """The query of GET /v1/identities/."""

    name = StrictString(required=False, help_text="Part of the name, ignoring case.")
    identifier_key = StrictString(required=False)
    identity_type = StrictChoice(IdentityType.values, required=False)
    project_id = StrictString(required=False)


class IdentityBlocksQuery(PageQuery):
    """The query of GET /v1/identities/{id}/blocks."""
