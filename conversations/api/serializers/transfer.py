"""Forms and queries of agent files."""

import json
from typing import Any

from rest_framework import serializers

from .fields import Input, StrictBoolean, StrictString


class VariablesText(StrictString):
    """A JSON object with names and values of environment variables."""

    def to_internal_value(self, data: Any) -> Any:
        try:
            variables = json.loads(super().to_internal_value(data) or "{}")
        except (ValueError, RecursionError):
            variables = None
        if not isinstance(variables, dict) or not all(
            isinstance(value, str) for value in variables.values()
        ):
            raise serializers.ValidationError("expected a JSON object with strings")
        return variables

    def run_validators(self, value: Any) -> None:
        """Skip the validators of strings."""


class ImportForm(Input):
    """The form of POST /v1/agents/import."""

    file = serializers.FileField(help_text="An agent file, in the older or the newer format.")
    name = StrictString(
        required=False,
        allow_blank=False,
        max_length=200,
        help_text="Replaces the name in the file.",
    )
    override_name = StrictString(
        required=False, allow_blank=False, help_text="Older name of `name`."
    )
    append_copy_suffix = StrictBoolean(
        default=True, help_text="Append `_copy` to the name, unless `name` is given."
    )
    model = StrictString(
        required=False, max_length=200, help_text="Handle that replaces the one in the file."
    )
    override_model_handle = StrictString(required=False, help_text="Older name of `model`.")
    embedding = StrictString(
        required=False, max_length=200, help_text="Handle that replaces the one in the file."
    )
    override_embedding_handle = StrictString(required=False, help_text="Older name of `embedding`.")
    strip_messages = StrictBoolean(default=False, help_text="Do not import messages.")
    override_existing_tools = StrictBoolean(
        default=True, help_text="Replace custom tools that have the names of tools in the file."
    )
    secrets = VariablesText(required=False, help_text="Environment variables of tools, as JSON.")
    env_vars_json = VariablesText(required=False, help_text="Older name of `secrets`.")


class ExportQuery(Input):
    """The query of GET /v1/agents/{id}/export."""

    conversation_id = StrictString(
        required=False, help_text="Export only this conversation; its messages become the agent's."
    )
    scrub_messages = StrictBoolean(default=False, help_text="Exclude conversations and messages.")
    use_legacy_format = StrictBoolean(
        default=False, help_text="Rejected: the older format cannot contain conversations."
    )
    include_revisions = StrictBoolean(default=False, help_text="Include the revisions of blocks.")
