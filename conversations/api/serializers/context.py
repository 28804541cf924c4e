from rest_framework import serializers

from ...domain.memory.prompt import ContextWindow
from .fields import Flag, Text
from .messages import represent_internal_message


class ContextQuery(serializers.Serializer):
    conversation_id = Text(
        required=False, help_text="`conv-…`, or `default` (also when absent): the agent's own."
    )


class RecompileAgentQuery(serializers.Serializer):
    dry_run = Flag(default=False, help_text="Answer the prompt and store nothing.")
    update_timestamp = Flag(default=True, help_text="Taken, as V1 does; the time is always new.")


class ContextWindowSerializer(serializers.Serializer):
    """V1's `ContextWindowOverview`: what the model would read, and its tokens part by part."""

    context_window_size_max = serializers.IntegerField()
    context_window_size_current = serializers.IntegerField()
    num_messages = serializers.IntegerField()
    num_archival_memory = serializers.IntegerField()
    num_recall_memory = serializers.IntegerField()
    num_tokens_external_memory_summary = serializers.IntegerField()
    external_memory_summary = serializers.CharField()
    num_tokens_system = serializers.IntegerField()
    system_prompt = serializers.CharField()
    num_tokens_core_memory = serializers.IntegerField()
    core_memory = serializers.CharField()
    num_tokens_memory_filesystem = serializers.IntegerField()
    memory_filesystem = serializers.CharField(allow_null=True)
    num_tokens_tool_usage_rules = serializers.IntegerField()
    tool_usage_rules = serializers.CharField(allow_null=True)
    num_tokens_directories = serializers.IntegerField()
    directories = serializers.CharField(allow_null=True)
    num_tokens_summary_memory = serializers.IntegerField()
    summary_memory = serializers.CharField(allow_null=True)
    num_tokens_functions_definitions = serializers.IntegerField()
    functions_definitions = serializers.ListField(child=serializers.DictField())
    num_tokens_messages = serializers.IntegerField()
    messages = serializers.ListField(child=serializers.DictField())

    def to_representation(self, window: ContextWindow):
        return {
            "context_window_size_max": window.size_max,
            "context_window_size_current": window.size_current,
            "num_messages": len(window.messages),
            "num_archival_memory": 0,
            "num_recall_memory": window.message_total,
            "num_tokens_external_memory_summary": window.tokens_metadata,
            "external_memory_summary": window.prompt.metadata,
            "num_tokens_system": window.tokens_system,
            "system_prompt": window.prompt.system,
            "num_tokens_core_memory": window.tokens_memory,
            "core_memory": window.prompt.memory,
            "num_tokens_memory_filesystem": 0,
            "memory_filesystem": None,
            "num_tokens_tool_usage_rules": 0,
            "tool_usage_rules": None,
            "num_tokens_directories": 0,
            "directories": None,
            "num_tokens_summary_memory": 0,
            "summary_memory": None,
            "num_tokens_functions_definitions": window.tokens_functions,
            "functions_definitions": window.functions,
            "num_tokens_messages": window.tokens_messages,
            "messages": [represent_internal_message(message) for message in window.messages],
        }
