"""Forms and queries of agent files."""

from rest_framework import serializers

from .fields import Input, StrictBoolean, StrictString


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
        required=False, help_text="Has no effect: existing tools are never overwritten."
    )


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
