"""Runs and their steps."""

from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from ...domain.runs.leases import delete_run, messages_of_run
from ...domain.turns.feedback import set_feedback
from ...models import Run, Scope, Step
from ..auth import actor_of, key_of
from ..http.filters import Rows, matching_runs, matching_steps
from ..http.pagination import Order, page
from ..http.validation import Query, read_body, read_query
from ..schema import operation
from ..serializers.messages import RunMessagesQuery
from ..serializers.runs import FeedbackBody, ListRunsQuery, ListStepsQuery, RunTraceQuery
from ..shapes.messages import MessageJSON
from ..shapes.runs import (
    ProviderTraceJSON,
    RunJSON,
    RunMetricsJSON,
    RunUsageJSON,
    SpanJSON,
    StepJSON,
    StepMetricsJSON,
    provider_trace_json,
    run_json,
    run_metrics_json,
    run_usage_json,
    spans_json,
    step_json,
    step_metrics_json,
)
from .base import ApiView
from .finders import find, runs_of, steps_of
from .messages import list_links


class RunList(ApiView):
    @operation("runs_list", ListRunsQuery, scope=Scope.READ, response=list[RunJSON])
    def get(self, request: Request) -> HttpResponse:
        """List runs."""
        return _list_runs(request, read_query(request, ListRunsQuery))


def _list_runs(request: Request, query: Query) -> HttpResponse:
    ascending = query.get("ascending", query["order"] == "asc")
    found = page(
        matching_runs(runs_of(request), query),
        query,
        cursors=Run.objects.in_organization(key_of(request).organization_id),
        prefix="run",
        order=Order("created_at", not ascending),
    )
    return Response([run_json(row) for row in found])


class ActiveRuns(ApiView):
    @operation("runs_active", ListRunsQuery, scope=Scope.READ, response=list[RunJSON])
    def get(self, request: Request) -> HttpResponse:
        """List active runs, under V1's older name for `active=true`."""
        return _list_runs(request, {**read_query(request, ListRunsQuery), "active": True})


class RunDetail(ApiView):
    @operation("runs_retrieve", scope=Scope.READ, response=RunJSON)
    def get(self, request: Request, run_id: str) -> HttpResponse:
        """Retrieve a run."""
        return Response(run_json(find(runs_of(request), run_id)))

    @operation("runs_delete", scope=Scope.CONVERSE)
    def delete(self, request: Request, run_id: str) -> HttpResponse:
        """Delete a run."""
        delete_run(find(runs_of(request), run_id), by=actor_of(request))
        return Response(None)


class RunMessages(ApiView):
    @operation("runs_messages_list", RunMessagesQuery, scope=Scope.READ, response=list[MessageJSON])
    def get(self, request: Request, run_id: str) -> HttpResponse:
        """List the messages of a run, including those that started it."""
        query = read_query(request, RunMessagesQuery)
        run = find(runs_of(request), run_id)
        # As in V1, in the form that the request of the run asked for.
        if not query["include_return_message_types"]:
            query["include_return_message_types"] = (
                run.request_config.get("include_return_message_types") or []
            )
        speech = run.request_config.get("use_assistant_message", True)
        return list_links(messages_of_run(run), query, speech=speech)


class RunUsage(ApiView):
    @operation("runs_usage_retrieve", scope=Scope.READ, response=RunUsageJSON)
    def get(self, request: Request, run_id: str) -> HttpResponse:
        """Retrieve the token usage of a run."""
        return Response(run_usage_json(find(runs_of(request), run_id).usage))


class RunMetrics(ApiView):
    @operation("runs_metrics_retrieve", scope=Scope.READ, response=RunMetricsJSON)
    def get(self, request: Request, run_id: str) -> HttpResponse:
        """Retrieve the duration of a run."""
        return Response(run_metrics_json(find(runs_of(request), run_id)))


class RunTrace(ApiView):
    @operation("runs_trace_retrieve", RunTraceQuery, scope=Scope.READ, response=list[SpanJSON])
    def get(self, request: Request, run_id: str) -> HttpResponse:
        """List the parts of a run with their durations: itself, then its steps."""
        query = read_query(request, RunTraceQuery)
        run = find(runs_of(request), run_id)
        steps = run.steps.order_by("number")[: query["limit"]]
        for step in steps:
            step.run = run
        return Response(spans_json(run, list(steps))[: query["limit"]])


class RunSteps(ApiView):
    @operation("runs_steps_list", ListStepsQuery, scope=Scope.READ, response=list[StepJSON])
    def get(self, request: Request, run_id: str) -> HttpResponse:
        """List the steps of a run."""
        return _list_steps(request, steps_of(request).filter(run=find(runs_of(request), run_id)))


class StepList(ApiView):
    @operation("steps_list", ListStepsQuery, scope=Scope.READ, response=list[StepJSON])
    def get(self, request: Request) -> HttpResponse:
        """List steps."""
        return _list_steps(request, steps_of(request))


def _list_steps(request: Request, rows: Rows) -> HttpResponse:
    query = read_query(request, ListStepsQuery)
    every = Step.objects.in_organization(key_of(request).organization_id)
    rows = matching_steps(rows, query).select_related("run__agent")
    found = page(rows, query, cursors=every, prefix="step")
    return Response([step_json(row) for row in found])


class StepDetail(ApiView):
    @operation("steps_retrieve", scope=Scope.READ, response=StepJSON)
    def get(self, request: Request, step_id: str) -> HttpResponse:
        """Retrieve a step."""
        return Response(step_json(find(steps_of(request).select_related("run__agent"), step_id)))


class StepMessages(ApiView):
    @operation(
        "steps_messages_list", RunMessagesQuery, scope=Scope.READ, response=list[MessageJSON]
    )
    def get(self, request: Request, step_id: str) -> HttpResponse:
        """List the messages of a step."""
        query = read_query(request, RunMessagesQuery)
        step = find(steps_of(request).select_related("run__agent"), step_id)
        return list_links(messages_of_run(step.run).filter(message__step=step), query)


class StepMetrics(ApiView):
    @operation("steps_metrics_retrieve", scope=Scope.READ, response=StepMetricsJSON)
    def get(self, request: Request, step_id: str) -> HttpResponse:
        """Retrieve the durations of a step."""
        return Response(step_metrics_json(find(steps_of(request).select_related("run"), step_id)))


class StepTrace(ApiView):
    @operation("steps_trace_retrieve", scope=Scope.READ, response=ProviderTraceJSON | None)
    def get(self, request: Request, step_id: str) -> HttpResponse:
        """Retrieve what a step's model was sent and replied; null if it is not kept."""
        rows = steps_of(request).select_related("run__agent").defer(None)
        return Response(provider_trace_json(find(rows, step_id)))


class StepFeedback(ApiView):
    @operation("steps_feedback_create", scope=Scope.CONVERSE, body=FeedbackBody, response=StepJSON)
    def patch(self, request: Request, step_id: str) -> HttpResponse:
        """Set or clear the feedback on a step, and its tags."""
        body = read_body(request, FeedbackBody)
        step = find(steps_of(request).select_related("run__agent"), step_id)
        set_feedback(step, body.get("feedback"), tags=body.get("tags"), by=actor_of(request))
        return Response(step_json(step))
