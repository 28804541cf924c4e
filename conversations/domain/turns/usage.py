"""Token counts of steps and runs."""

from typing import TypedDict

from ...llm.tokens import count_tokens
from ..runs.events import RunUsage
from .reply import ModelReply


class StepUsage(TypedDict):
    """The tokens of one step. None where the provider does not say."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    cached_input_tokens: int | None
    reasoning_tokens: int | None


def step_usage(reply: ModelReply, *, estimated_prompt: int) -> StepUsage:
    """Return the tokens as the provider counts them, or an estimate if it does not."""
    cached = reasoning = None
    if reply.usage:
        prompt, completion = reply.usage.prompt_tokens, reply.usage.completion_tokens
        cached, reasoning = reply.usage.cached_input_tokens, reply.usage.reasoning_tokens
    else:
        prompt = estimated_prompt
        completion = count_tokens(reply.text) + count_tokens(reply.reasoning)
        calls = [*reply.calls, *reply.calls_awaiting_client]
        completion += sum(count_tokens(str(call)) for call in calls)
    return StepUsage(
        prompt_tokens=prompt,
        completion_tokens=completion,
        total_tokens=prompt + completion,
        cached_input_tokens=cached,
        reasoning_tokens=reasoning,
    )


def add_usage(total: RunUsage, step: StepUsage, *, step_count: int) -> RunUsage:
    """Return a run's usage including its next step, which defines the context's size."""
    return RunUsage(
        prompt_tokens=total.get("prompt_tokens", 0) + step["prompt_tokens"],
        completion_tokens=total.get("completion_tokens", 0) + step["completion_tokens"],
        total_tokens=total.get("total_tokens", 0) + step["total_tokens"],
        cached_input_tokens=_sum(total.get("cached_input_tokens"), step["cached_input_tokens"]),
        reasoning_tokens=_sum(total.get("reasoning_tokens"), step["reasoning_tokens"]),
        step_count=step_count,
        context_tokens=step["total_tokens"],
    )


def _sum(first: int | None, second: int | None) -> int | None:
    return None if first is None and second is None else (first or 0) + (second or 0)
