"""Queries of context windows and recompilation."""

from .fields import Input, StrictBoolean, StrictString


class ContextQuery(Input):
    """The query of GET /v1/agents/{id}/context."""

    conversation_id = StrictString(
        required=False, help_text="`conv-…` or `default`, which is the default."
    )


class RecompileAgentQuery(Input):
    """The query of POST /v1/agents/{id}/recompile."""

    dry_run = StrictBoolean(default=False, help_text="Return the prompt without storing it.")
    update_timestamp = StrictBoolean(default=True, help_text="Ignored: the time is always updated.")
