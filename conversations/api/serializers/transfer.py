from rest_framework import serializers

from .fields import Flag, Text


class ImportForm(serializers.Serializer):
    """The form of POST /v1/agents/import."""

    file = serializers.FileField(help_text="An agent file, in the older or the newer shape.")
    name = Text(
        required=False, allow_blank=False, max_length=200, help_text="Instead of the file's."
    )
    override_name = Text(required=False, allow_blank=False, help_text="The older name of `name`.")
    append_copy_suffix = Flag(
        default=True, help_text="Append `_copy` to the name, unless another one is given."
    )
    model = Text(required=False, max_length=200, help_text="A handle, instead of the file's.")
    override_model_handle = Text(required=False, help_text="The older name of `model`.")
    embedding = Text(required=False, max_length=200, help_text="A handle, instead of the file's.")
    override_embedding_handle = Text(required=False, help_text="The older name of `embedding`.")
    strip_messages = Flag(default=False, help_text="Leave the messages out.")
    override_existing_tools = Flag(required=False, help_text="Tools here are never overwritten.")
    secrets = Text(required=False, help_text="Secrets are not kept.")
    env_vars_json = Text(required=False, help_text="As `secrets`.")
    project_id = Text(required=False, help_text="Projects are not kept.")


class ExportQuery(serializers.Serializer):
    """The query of GET /v1/agents/{id}/export."""

    conversation_id = Text(
        required=False, help_text="This conversation only; its messages are the agent's."
    )
    scrub_messages = Flag(default=False, help_text="Leave conversations and messages out.")
    use_legacy_format = Flag(
        default=False, help_text="The older shape has no place for conversations: refused."
    )
    include_revisions = Flag(default=False, help_text="Every text the blocks have had.")
