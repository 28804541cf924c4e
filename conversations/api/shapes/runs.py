"""JSON of runs and steps."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import Field
from typing_extensions import TypedDict

from ...models import Run, Step
from .fields import EmptyList, JSONObject, constants, one_of

WIRE_STATUSES = [status for status in Run.Status.values if status != Run.Status.QUEUED]


class UnusedRunFields(TypedDict):
    """Fields of V1's run for features that this server does not have."""

    base_template_id: None
    callback_url: None
    callback_sent_at: None
    callback_status_code: None
    callback_error: None


class RunErrorJSON(TypedDict):
    """Why a run or one of its steps failed."""

    type: str
    message: str


class RunJSON(UnusedRunFields):
    """A run as the client's `Run` type reads it."""

    id: str
    status: Annotated[str, one_of(WIRE_STATUSES)]
    agent_id: str
    conversation_id: str
    background: bool
    metadata: Annotated[JSONObject, Field(description="With `error` if the run failed, as in V1.")]
    error: RunErrorJSON | None
    request_config: JSONObject
    stop_reason: str | None
    created_at: datetime
    completed_at: Annotated[str | None, Field(description="UTC without an offset, as in V1.")]
    ttft_ns: Annotated[int | None, Field(description="Time to the first token.")]
    total_duration_ns: int | None


class CompletionDetailsJSON(TypedDict):
    """Kinds of completion tokens."""

    reasoning_tokens: int


class PromptDetailsJSON(TypedDict):
    """Kinds of prompt tokens."""

    cached_tokens: int
    cache_read_tokens: int
    cache_creation_tokens: int


class RunUsageJSON(TypedDict):
    """Tokens used so far; details are null where the provider reports none."""

    completion_tokens: int
    prompt_tokens: int
    total_tokens: int
    completion_tokens_details: CompletionDetailsJSON | None
    prompt_tokens_details: PromptDetailsJSON | None


class RunMetricsJSON(TypedDict):
    """How long a run took."""

    id: str
    organization_id: str
    agent_id: str
    project_id: None
    run_start_ns: int
    run_ns: int | None
    num_steps: int
    tools_used: None
    template_id: None
    base_template_id: None


class BlockSeenJSON(TypedDict):
    """A block version that the model was shown."""

    label: str
    block_id: str
    version: int
    origin: Literal["shared", "isolated"]


Feedback = Annotated[str, one_of(Step.Feedback.values)]


class UnusedStepFields(TypedDict):
    """Fields of V1's step for features that this server does not have."""

    cache_write_tokens: None
    messages: EmptyList
    origin: None
    project_id: None
    provider_id: None
    request_id: None
    tid: None
    trace_id: None


class StepJSON(RunUsageJSON, UnusedStepFields):
    """A step as the client's `Step` type reads it, with the memory that the model was shown."""

    id: str
    run_id: str
    agent_id: str
    organization_id: str
    model: str
    model_handle: str
    model_endpoint: None
    provider_name: str
    provider_category: Literal["base"]
    context_window_limit: int
    cached_input_tokens: int | None
    reasoning_tokens: int | None
    stop_reason: str | None
    status: Literal["success", "failed", "cancelled"]
    error_type: Literal["llm_error"] | None
    error_data: RunErrorJSON | None
    feedback: Feedback | None
    tags: list[str]
    blocks_seen: Annotated[list[BlockSeenJSON], Field(description="In prompt order.")]
    created_at: datetime


_UNUSED_OF_RUN = constants(UnusedRunFields)
_UNUSED_OF_STEP = constants(UnusedStepFields)


def status_json(run: Run) -> str:
    """Return a run's status in V1's words: a queued one is `created`, too."""
    return Run.Status.CREATED if run.status == Run.Status.QUEUED else run.status


def run_json(run: Run) -> RunJSON:
    """Return the JSON of a run."""
    ended, metadata = run.completed_at, run.metadata
    error: RunErrorJSON | None = None
    if run.status == Run.Status.FAILED:
        error = {"type": run.error_type, "message": run.error}
        metadata = {**metadata, "error": error}
    return {
        "id": run.pk,
        "status": status_json(run),
        "agent_id": run.agent_id,
        "conversation_id": run.conversation_id,
        "background": run.background,
        "metadata": metadata,
        "error": error,
        "request_config": run.request_config,
        "stop_reason": run.stop_reason,
        "created_at": run.created_at,
        "completed_at": ended.replace(tzinfo=None).isoformat() if ended else None,
        "ttft_ns": run.ttft_ns,
        "total_duration_ns": run.total_duration_ns,
        **_UNUSED_OF_RUN,
    }


def run_usage_json(usage: dict[str, Any]) -> RunUsageJSON:
    """Return the JSON of stored token counts."""
    cached, reasoning = usage.get("cached_input_tokens"), usage.get("reasoning_tokens")
    return {
        "completion_tokens": usage.get("completion_tokens") or 0,
        "prompt_tokens": usage.get("prompt_tokens") or 0,
        "total_tokens": usage.get("total_tokens") or 0,
        "completion_tokens_details": None if reasoning is None else {"reasoning_tokens": reasoning},
        "prompt_tokens_details": None
        if cached is None
        else {"cached_tokens": cached, "cache_read_tokens": cached, "cache_creation_tokens": 0},
    }


def run_metrics_json(run: Run) -> RunMetricsJSON:
    """Return the JSON of a run's duration."""
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


def step_json(step: Step) -> StepJSON:
    """Return the JSON of a step whose run and agent are loaded."""
    provider, _, model = step.model.partition("/")
    status: Literal["success", "failed", "cancelled"]
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
        "context_window_limit": step.run.agent.context_window_limit,
        "cached_input_tokens": step.usage.get("cached_input_tokens"),
        "reasoning_tokens": step.usage.get("reasoning_tokens"),
        "stop_reason": step.stop_reason,
        "status": status,
        "error_type": "llm_error" if step.error else None,
        "error_data": {"type": step.run.error_type, "message": step.error} if step.error else None,
        "feedback": step.feedback,
        "tags": step.tags,
        "blocks_seen": step.blocks_seen,
        "created_at": step.created_at,
        **run_usage_json(step.usage),
        **_UNUSED_OF_STEP,
    }


class UnusedMetricsFields(TypedDict):
    """Fields of V1's step metrics that this server does not fill."""

    base_template_id: None
    llm_request_start_ns: None
    project_id: None
    provider_id: None
    step_start_ns: None
    template_id: None


class StepMetricsJSON(UnusedMetricsFields):
    """How long a step took, as the client's `MetricRetrieveResponse` reads it; in nanoseconds."""

    id: str
    organization_id: str
    run_id: str
    agent_id: str
    llm_request_ns: int | None
    tool_execution_ns: int | None
    step_ns: Annotated[int | None, Field(description="Of the model and of the tools.")]


class UnusedTraceFields(TypedDict):
    """Fields of V1's trace that this server does not fill."""

    billing_context: None
    compaction_settings: None
    source: None


class ProviderTraceJSON(UnusedTraceFields):
    """What a step's model was sent and replied, as the client's `ProviderTrace` reads it."""

    id: str
    request_json: JSONObject
    response_json: JSONObject
    step_id: str
    run_id: str
    agent_id: str
    agent_tags: list[str]
    call_type: Literal["agent_step"]
    org_id: str
    user_id: str | None
    llm_config: JSONObject
    latency_ms: int | None
    created_at: datetime
    updated_at: datetime
    created_by_id: str | None
    last_updated_by_id: str | None


class SpanJSON(TypedDict):
    """One part of a run: the whole run, a step, or the time to the first token."""

    trace_id: str
    span_id: str
    parent_span_id: str | None
    span_name: Literal["run", "agent_step", "time_to_first_token"]
    start_time: datetime
    duration_ns: int | None
    status: str
    attributes: JSONObject


_UNUSED_METRICS = constants(UnusedMetricsFields)
_UNUSED_OF_TRACE = constants(UnusedTraceFields)


def step_metrics_json(step: Step) -> StepMetricsJSON:
    """Return the JSON of a step's durations. Its run is loaded."""
    parts = [part for part in (step.model_ns, step.tools_ns) if part is not None]
    return {
        "id": step.pk,
        "organization_id": step.organization_id,
        "run_id": step.run_id,
        "agent_id": step.run.agent_id,
        "llm_request_ns": step.model_ns,
        "tool_execution_ns": step.tools_ns,
        "step_ns": sum(parts) if parts else None,
        **_UNUSED_METRICS,
    }


def provider_trace_json(step: Step) -> ProviderTraceJSON | None:
    """Return the JSON of a step's trace, None if it is not kept. Run and agent are loaded."""
    if step.trace is None:
        return None
    provider, _, model = step.model.partition("/")
    usage = run_usage_json(step.usage)
    return {
        "id": step.pk.replace("step-", "provider_trace-", 1),
        "request_json": step.trace["request"],
        "response_json": {**step.trace["response"], "usage": usage},
        "step_id": step.pk,
        "run_id": step.run_id,
        "agent_id": step.run.agent_id,
        "agent_tags": step.run.agent.tags,
        "call_type": "agent_step",
        "org_id": step.organization_id,
        "user_id": step.created_by_id,
        "llm_config": {"handle": step.model, "model": model, "provider_name": provider},
        "latency_ms": None if step.model_ns is None else step.model_ns // 1_000_000,
        "created_at": step.created_at,
        "updated_at": step.updated_at,
        "created_by_id": step.created_by_id,
        "last_updated_by_id": step.last_updated_by_id,
        **_UNUSED_OF_TRACE,
    }


def spans_json(run: Run, steps: list[Step]) -> list[SpanJSON]:
    """Return the parts of a run: itself, then its steps in order."""
    started = run.started_at or run.created_at
    root: SpanJSON = {
        "trace_id": run.pk,
        "span_id": run.pk,
        "parent_span_id": None,
        "span_name": "run",
        "start_time": started,
        "duration_ns": run.total_duration_ns,
        "status": run.status,
        "attributes": {"conversation_id": run.conversation_id, "stop_reason": run.stop_reason},
    }
    spans = [root]
    if run.ttft_ns is not None:
        spans.append(
            {
                **root,
                "span_id": f"{run.pk}-ttft",
                "parent_span_id": run.pk,
                "span_name": "time_to_first_token",
                "duration_ns": run.ttft_ns,
                "attributes": {},
            }
        )
    for step in steps:
        metrics = step_metrics_json(step)
        spans.append(
            {
                "trace_id": run.pk,
                "span_id": step.pk,
                "parent_span_id": run.pk,
                "span_name": "agent_step",
                # A step is stored at its end.
                "start_time": step.created_at - timedelta(microseconds=_microseconds(metrics)),
                "duration_ns": metrics["step_ns"],
                "status": "failed" if step.error else "completed",
                "attributes": {
                    "number": step.number,
                    "model": step.model,
                    "llm_request_ns": step.model_ns,
                    "tool_execution_ns": step.tools_ns,
                    "usage": step.usage,
                },
            }
        )
    return spans


def _microseconds(metrics: StepMetricsJSON) -> int:
    return (metrics["step_ns"] or 0) // 1000
