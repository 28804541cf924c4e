"""How agents are listed."""

from rest_framework import serializers

from ..http.pagination import PageQuery
from .agents import RELATIONS
from .fields import Choice, Flag, Id, Repeated, Text


class IncludeQuery(serializers.Serializer):
    include = Repeated(child=Choice(RELATIONS), required=False, help_text="Relations to fill.")


class AgentFilters(serializers.Serializer):
    """What the list and the count of agents filter by."""

    name = Text(required=False)
    query_text = Text(required=False, help_text="Part of the name, in any case.")
    tags = Repeated(child=Text(), default=list)
    match_all_tags = Flag(default=False)
    created_by_id = Id("user", required=False)
    project_id = Text(required=False, help_text="Projects are not kept: matches no agent.")
    template_id = Text(required=False, help_text="Templates are not kept: matches no agent.")
    base_template_id = Text(required=False, help_text="As `template_id`.")
    identity_id = Text(required=False, help_text="Identities are not kept: matches no agent.")
    identifier_keys = Repeated(child=Text(), default=list, help_text="As `identity_id`.")
    last_stop_reason = Text(required=False)
    show_hidden_agents = Flag(default=False)


class ListAgentsQuery(AgentFilters, IncludeQuery, PageQuery):
    """The query of GET /v1/agents/."""

    order_by = Choice(["created_at", "updated_at", "last_run_completion"], default="created_at")
    sort_by = Choice(
        ["created_at", "updated_at", "last_run_completion"],
        required=False,
        help_text="The older name of `order_by`.",
    )
    ascending = Flag(required=False, help_text="The older name of `order`.")


class BlockAgentsQuery(IncludeQuery, PageQuery):
    """The query of the agents a block is attached to."""
