"""Filters of lists: query parameters as conditions on rows."""

from typing import Any

from django.db.models import Exists, OuterRef, Q

from ...ids import is_id
from ...models import AgentIdentity, BlockIdentity, Message, Run, Tool
from ...models.runs import last_stop_reason
from .validation import Query

# A queryset of ours: each model has its own chainable methods.
Rows = Any

Role = Message.Role


def _filtered(rows: Rows, query: Query, **lookups: str) -> Rows:
    """Return the rows that match the given parameters; `lookups` has each one's lookup."""
    given = {lookup: query[name] for name, lookup in lookups.items() if name in query}
    return rows.filter(**given)


def matching_conversations(rows: Rows, query: Query) -> Rows:
    """Return the live conversations that match, without default ones."""
    rows = rows.live().filter(is_default=False)
    if not query["show_hidden"]:
        rows = rows.filter(hidden=False)
    rows = _filtered(rows, query, agent_id="agent", summary_search="summary__icontains")
    if query["archive_status"] != "all":
        rows = rows.archived(query["archive_status"] == "archived")
    if "isolated_label" in query or query["drift"]:
        rows = rows.with_isolated(label=query.get("isolated_label"), drifts=query["drift"])
    return rows


def matching_blocks(rows: Rows, query: Query) -> Rows:
    """Return the live blocks that match."""
    rows = rows.live() if query["include_isolated"] else rows.ordinary()
    if not query["show_hidden_blocks"]:
        rows = rows.exclude(hidden=True)
    rows = _filtered(
        rows,
        query,
        label="label",
        name="template_name",
        project_id="project_id",
        label_search="label__icontains",
        value_search="value__icontains",
        description_search="description__icontains",
    )
    if query["templates_only"]:
        rows = rows.filter(is_template=True)
    rows = _of_identities(rows, query, BlockIdentity.objects.filter(block=OuterRef("pk")))
    return _by_agent_count(rows.with_tags(query["tags"], match_all=query["match_all_tags"]), query)


def _of_identities(rows: Rows, query: Query, links: Rows) -> Rows:
    """Return the rows of the given identities; `links` are those of the outer row."""
    keys = query["identifier_keys"]
    if not keys and "identity_id" not in query:
        return rows
    if keys:
        links = links.filter(identity__identifier_key__in=keys)
    return rows.filter(Exists(_filtered(links.live(), query, identity_id="identity")))


def _by_agent_count(rows: Rows, query: Query) -> Rows:
    conditions = Q()
    if exact := query["connected_to_agents_count_eq"]:
        conditions &= Q(agent_count__in=exact)
    if (more_than := query.get("connected_to_agents_count_gt")) is not None:
        conditions &= Q(agent_count__gt=more_than)
    if (less_than := query.get("connected_to_agents_count_lt")) is not None:
        conditions &= Q(agent_count__lt=less_than)
    return rows.with_agent_count().filter(conditions) if conditions else rows


def matching_agents(rows: Rows, query: Query) -> Rows:
    """Return the live agents that match."""
    rows = rows.live()
    if not query["show_hidden_agents"]:
        rows = rows.exclude(hidden=True)
    rows = _filtered(
        rows, query, name="name", query_text="name__icontains", created_by_id="created_by"
    )
    rows = _of_identities(rows, query, AgentIdentity.objects.filter(agent=OuterRef("pk")))
    absent = ("project_id", "template_id", "base_template_id")
    if any(parameter in query for parameter in absent):
        rows = rows.none()
    if "last_stop_reason" in query:
        rows = rows.alias(reason=last_stop_reason()).filter(reason=query["last_stop_reason"])
    return rows.with_tags(query["tags"], match_all=query["match_all_tags"])


def matching_archives(rows: Rows, query: Query) -> Rows:
    """Return the archives that match."""
    return _filtered(rows.live(), query, name="name", agent_id="agent_links__agent")


def matching_identities(rows: Rows, query: Query) -> Rows:
    """Return the identities that match."""
    return _filtered(
        rows.live(),
        query,
        name="name__icontains",
        identifier_key="identifier_key",
        identity_type="identity_type",
        project_id="project_id",
    )


def matching_tools(rows: Rows, query: Query) -> Rows:
    """Return the tools that match."""
    rows = _filtered(rows, query, name="name", search="name__icontains")
    if query["names"]:
        rows = rows.filter(name__in=query["names"])
    if query["tool_ids"]:
        rows = rows.filter(pk__in=[each for each in query["tool_ids"] if is_id("tool", each)])
    if query["tool_types"]:
        rows = rows.filter(tool_type__in=query["tool_types"])
    if query["exclude_tool_types"]:
        rows = rows.exclude(tool_type__in=query["exclude_tool_types"])
    if query["return_only_letta_tools"]:
        rows = rows.filter(tool_type__startswith=Tool.BUILT_IN_PREFIX)
    return rows


def matching_messages(rows: Rows, query: Query, *, path: str = "") -> Rows:
    """Return the rows whose messages match; `path` leads to the message, as in `message__`."""
    if types := query["include_return_message_types"]:
        rows = rows.filter(_is_of_types(types, path))
    if "group_id" in query:
        rows = rows.filter(**{f"{path}group_id": query["group_id"]})
    if query.get("include_err") is False:
        rows = rows.exclude(**{f"{path}is_err": True})
    return rows


def _is_of_types(types: list[str], path: str) -> Q:
    """Select stored messages that have at least one message of these types on the wire."""
    assistant = Q(**{f"{path}role": Role.ASSISTANT})
    approval = Q(**{f"{path}role": Role.APPROVAL})
    conditions = {
        "system_message": Q(**{f"{path}role": Role.SYSTEM}),
        "user_message": Q(**{f"{path}role": Role.USER}),
        "summary_message": Q(**{f"{path}role": Role.SUMMARY}),
        "tool_return_message": Q(**{f"{path}role": Role.TOOL}),
        "assistant_message": assistant & Q(**{f"{path}content__has_part": "text"}),
        "reasoning_message": assistant & Q(**{f"{path}content__has_part": "reasoning"}),
        "tool_call_message": assistant & ~Q(**{f"{path}tool_calls": []}),
        "approval_request_message": approval & ~Q(**{f"{path}tool_calls": []}),
        "approval_response_message": approval & Q(**{f"{path}tool_calls": []}),
    }
    # No stored message has the types that are absent here.
    nothing = Q(pk__in=[])
    return Q(*(conditions.get(kind, nothing) for kind in types), _connector=Q.OR)


def matching_revisions(rows: Rows, query: Query) -> Rows:
    """Return the revisions that match."""
    return _filtered(rows, query, source="source", written_by_id="written_by")


def matching_steps(rows: Rows, query: Query) -> Rows:
    """Return the steps that match."""
    rows = _filtered(
        rows,
        query,
        agent_id="run__agent",
        model="model",
        feedback="feedback",
        start_date="created_at__gte",
        end_date="created_at__lte",
    )
    if "has_feedback" in query:
        rows = rows.filter(feedback__isnull=not query["has_feedback"])
    # Steps have no projects, and traces no other ids here.
    if query["trace_ids"] or "project_id" in query:
        return rows.none()
    return rows.with_tags(query["tags"])


def matching_runs(rows: Rows, query: Query) -> Rows:
    """Return the runs that match."""
    rows = _filtered(
        rows,
        query,
        agent_id="agent",
        conversation_id="conversation",
        background="background",
        stop_reason="stop_reason",
    )
    if query["agent_ids"]:
        rows = rows.filter(agent__in=query["agent_ids"])
    if statuses := query["statuses"]:
        if Run.Status.CREATED in statuses:
            statuses = [*statuses, Run.Status.QUEUED]
        rows = rows.filter(status__in=statuses)
    return rows.unfinished() if query["active"] else rows


def matching_audit_events(rows: Rows, query: Query) -> Rows:
    """Return the events of the audit log that match."""
    return _filtered(
        rows,
        query,
        action="action",
        member_id="member_id",
        key_id="key_id",
        object_id="object_id",
        start_date="created_at__gte",
        end_date="created_at__lte",
    )
