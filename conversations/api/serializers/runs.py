"""Queries of runs and steps."""

from ...models import Step
from ..shapes.runs import WIRE_STATUSES
from .fields import (
    OPTIONAL,
    Id,
    Input,
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
    feedback = StrictChoice(Step.Feedback.values, required=False)
    project_id = StrictString(required=False, help_text="Not supported: matches no step.")
    tags = StrictList(child=StrictString(), default=list)
    trace_ids = StrictList(child=StrictString(), default=list)


class RunTraceQuery(Input):
    """The query of GET /v1/runs/{id}/trace."""

    limit = StrictInteger(default=1000, min_value=1, max_value=1000)


class FeedbackBody(Input):
    """The body of PATCH /v1/steps/{id}/feedback."""

    feedback = StrictChoice(Step.Feedback.values, **OPTIONAL, help_text="Null clears it.")
    tags = StrictList(child=StrictString(), **OPTIONAL)
