from rest_framework import serializers

from ...models import Run
from ..http.pagination import PageQuery
from .fields import Choice, Flag, Id, Repeated, Text, Timestamp, WholeNumber


class RunSerializer(serializers.Serializer):
    """A run as the client's `Run` type reads it."""

    id = serializers.CharField()
    status = serializers.ChoiceField(Run.Status.values)
    agent_id = serializers.CharField()
    conversation_id = serializers.CharField()
    background = serializers.BooleanField()
    metadata = serializers.DictField()
    request_config = serializers.DictField()
    stop_reason = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField()
    completed_at = serializers.CharField(allow_null=True, help_text="UTC, without a zone, as V1.")
    ttft_ns = serializers.IntegerField(allow_null=True)
    total_duration_ns = serializers.IntegerField(allow_null=True)
    base_template_id = serializers.CharField(allow_null=True)
    callback_url = serializers.CharField(allow_null=True)
    callback_sent_at = serializers.DateTimeField(allow_null=True)
    callback_status_code = serializers.IntegerField(allow_null=True)
    callback_error = serializers.CharField(allow_null=True)

    def to_representation(self, run):
        completed_at = run.completed_at
        return {
            "id": run.pk,
            "status": run.status,
            "agent_id": run.agent_id,
            "conversation_id": run.conversation_id,
            "background": run.background,
            "metadata": run.metadata,
            "request_config": run.request_config,
            "stop_reason": run.stop_reason,
            "created_at": run.created_at,
            "completed_at": completed_at and completed_at.replace(tzinfo=None).isoformat(),
            "ttft_ns": run.ttft_ns,
            "total_duration_ns": run.total_duration_ns,
            "base_template_id": None,
            "callback_url": None,
            "callback_sent_at": None,
            "callback_status_code": None,
            "callback_error": None,
        }


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


class RunUsageSerializer(serializers.Serializer):
    """What a run cost so far, as the client's `usage.retrieve` reads it."""

    completion_tokens = serializers.IntegerField()
    prompt_tokens = serializers.IntegerField()
    total_tokens = serializers.IntegerField()
    completion_tokens_details = serializers.DictField(allow_null=True)
    prompt_tokens_details = serializers.DictField(allow_null=True)

    def to_representation(self, run):
        return {
            **{name: run.usage.get(name) or 0 for name in COUNTS},
            **_details(run.usage),
        }


COUNTS = ("completion_tokens", "prompt_tokens", "total_tokens")


def _details(usage: dict) -> dict:
    cached, reasoning = usage.get("cached_input_tokens"), usage.get("reasoning_tokens")
    return {
        "completion_tokens_details": None if reasoning is None else {"reasoning_tokens": reasoning},
        "prompt_tokens_details": None
        if cached is None
        else {"cached_tokens": cached, "cache_read_tokens": cached, "cache_creation_tokens": 0},
    }


class RunMetricsSerializer(serializers.Serializer):
    """How long a run took."""

    id = serializers.CharField()
    organization_id = serializers.CharField()
    agent_id = serializers.CharField()
    project_id = serializers.CharField(allow_null=True)
    run_start_ns = serializers.IntegerField(allow_null=True)
    run_ns = serializers.IntegerField(allow_null=True)
    num_steps = serializers.IntegerField()
    tools_used = serializers.ListField(child=serializers.CharField(), allow_null=True)
    template_id = serializers.CharField(allow_null=True)
    base_template_id = serializers.CharField(allow_null=True)

    def to_representation(self, run):
        started = run.started_at or run.created_at
        return {
            "id": run.pk,
            "organization_id": run.organization_id,
            "agent_id": run.agent_id,
            "project_id": None,
            "run_start_ns": round(started.timestamp() * 1e9),
            "run_ns": run.total_duration_ns,
            "num_steps": run.usage.get("step_count") or 0,
            "tools_used": None,
            "template_id": None,
            "base_template_id": None,
        }


class StepSerializer(serializers.Serializer):
    """A step as the client's `Step` type reads it, and which memory the model was shown."""

    id = serializers.CharField()
    run_id = serializers.CharField()
    agent_id = serializers.CharField()
    organization_id = serializers.CharField()
    model = serializers.CharField()
    model_handle = serializers.CharField()
    model_endpoint = serializers.CharField(allow_null=True)
    provider_name = serializers.CharField()
    provider_category = serializers.CharField()
    context_window_limit = serializers.IntegerField()
    completion_tokens = serializers.IntegerField()
    prompt_tokens = serializers.IntegerField()
    total_tokens = serializers.IntegerField()
    cached_input_tokens = serializers.IntegerField(allow_null=True)
    reasoning_tokens = serializers.IntegerField(allow_null=True)
    completion_tokens_details = serializers.DictField(allow_null=True)
    prompt_tokens_details = serializers.DictField(allow_null=True)
    stop_reason = serializers.CharField(allow_null=True)
    status = serializers.CharField(help_text="success, failed or cancelled.")
    error_type = serializers.CharField(allow_null=True)
    error_data = serializers.DictField(allow_null=True)
    blocks_seen = serializers.ListField(
        child=serializers.DictField(),
        help_text='[{"label", "block_id", "version", "origin"}], in prompt order.',
    )
    created_at = serializers.DateTimeField()

    def to_representation(self, step):
        provider, _, model = step.model.partition("/")
        agent = step.run.agent
        if step.error:
            status = "failed"
        else:
            status = "cancelled" if step.stop_reason == "cancelled" else "success"
        return {
            "id": step.pk,
            "run_id": step.run_id,
            "agent_id": step.run.agent_id,
            "organization_id": step.organization_id,
            "model": model,
            "model_handle": step.model,
            "model_endpoint": None,
            "provider_name": provider,
            "provider_category": "base",
            "context_window_limit": agent.context_window_limit,
            **{name: step.usage.get(name) or 0 for name in COUNTS},
            "cached_input_tokens": step.usage.get("cached_input_tokens"),
            "reasoning_tokens": step.usage.get("reasoning_tokens"),
            **_details(step.usage),
            "stop_reason": step.stop_reason,
            "status": status,
            "error_type": "llm_error" if step.error else None,
            "error_data": {"message": step.error} if step.error else None,
            "blocks_seen": step.blocks_seen,
            "created_at": step.created_at,
            **ABSENT,
        }


# Fields of V1's step that belong to products this server has no part in.
ABSENT = {
    "cache_write_tokens": None,
    "feedback": None,
    "messages": [],
    "origin": None,
    "project_id": None,
    "provider_id": None,
    "request_id": None,
    "tags": [],
    "tid": None,
    "trace_id": None,
}


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
