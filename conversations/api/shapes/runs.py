"""JSON of runs and steps."""

from datetime import datetime
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


class UnusedStepFields(TypedDict):
    """Fields of V1's step for features that this server does not have."""

    cache_write_tokens: None
    feedback: None
    messages: EmptyList
    origin: None
    project_id: None
    provider_id: None
    request_id: None
    tags: EmptyList
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
        "blocks_seen": step.blocks_seen,
        "created_at": step.created_at,
        **run_usage_json(step.usage),
        **_UNUSED_OF_STEP,
    }
