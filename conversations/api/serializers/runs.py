from ...models import Run
from ..http.pagination import PageQuery
from .fields import Choice, Flag, Id, Repeated, Text, Timestamp, WholeNumber


class ListRunsQuery(PageQuery):
    """The query of GET /v1/runs/."""

    limit = WholeNumber(default=100, min_value=1, max_value=1000)
    agent_id = Id("agent", required=False)
    agent_ids = Repeated(child=Id("agent"), default=list)
    conversation_id = Id("conv", required=False)
    statuses = Repeated(child=Choice(Run.Status.values), default=list)
    active = Flag(default=False)
    background = Flag(required=False)
    stop_reason = Text(required=False)
    ascending = Flag(required=False, help_text="The older name of `order`.")


class ListStepsQuery(PageQuery):
    """The query of the lists of steps."""

    agent_id = Id("agent", required=False)
    model = Text(required=False, help_text="The handle.")
    start_date = Timestamp(required=False)
    end_date = Timestamp(required=False)
    has_feedback = Flag(required=False)
    feedback = Text(required=False, help_text="Steps are not marked here: matches none.")
    project_id = Text(required=False, help_text="Projects are not kept: matches none.")
    tags = Repeated(child=Text(), default=list)
    trace_ids = Repeated(child=Text(), default=list)
