"""Queries of runs and steps."""

from ..shapes.runs import WIRE_STATUSES
from .fields import (
    Id,
    PageQuery,
    StrictBoolean,
    StrictChoice,
    StrictDateTime,
    StrictInteger,
    StrictList,
    StrictString,
)


class ListRunsQuery(PageQuery):
    """The query of GET /v1/runs/."""

    limit = StrictInteger(default=100, min_value=1, max_value=1000)
    agent_id = Id("agent", required=False)
    agent_ids = StrictList(child=Id("agent"), default=list)
    conversation_id = Id("conv", required=False)
    statuses = StrictList(child=StrictChoice(WIRE_STATUSES), default=list)
    active = StrictBoolean(default=False)
    background = StrictBoolean(required=False)
    stop_reason = StrictString(required=False)
    ascending = StrictBoolean(required=False, help_text="Older name of `order`.")


class ListStepsQuery(PageQuery):
    """The query of the lists of steps."""

    agent_id = Id("agent", required=False)
    model = StrictString(required=False, help_text="Handle of the model.")
    start_date = StrictDateTime(required=False)
    end_date = StrictDateTime(required=False)
    has_feedback = StrictBoolean(required=False)
    feedback = StrictString(required=False, help_text="Not supported: matches no step.")
    project_id = StrictString(required=False, help_text="Not supported: matches no step.")
    tags = StrictList(child=StrictString(), default=list)
    trace_ids = StrictList(child=StrictString(), default=list)
