from rest_framework import serializers

from .fields import Flag, Text


class ContextQuery(serializers.Serializer):
    conversation_id = Text(
        required=False, help_text="`conv-…`, or `default` (also when absent): the agent's own."
    )


class RecompileAgentQuery(serializers.Serializer):
    dry_run = Flag(default=False, help_text="Answer the prompt and store nothing.")
    update_timestamp = Flag(default=True, help_text="Taken, as V1 does; the time is always new.")
