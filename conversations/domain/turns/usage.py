"""The tokens that steps and runs have used."""

from ...llm.tokens import count_tokens
from .reply import Reply


def step_usage(reply: Reply, *, estimated_prompt: int) -> dict:
    """Tokens as the provider counts them; an estimate where it does not say."""
    if reply.usage:
        prompt, completion = reply.usage.prompt_tokens, reply.usage.completion_tokens
        cached, reasoning = reply.usage.cached_input_tokens, reply.usage.reasoning_tokens
    else:
        prompt = estimated_prompt
        completion = count_tokens(reply.text) + count_tokens(reply.reasoning)
        completion += sum(count_tokens(str(call)) for call in [*reply.calls, *reply.held_calls])
        cached = reasoning = None
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "cached_input_tokens": cached,
        "reasoning_tokens": reasoning,
    }


def add_usage(total: dict, step: dict, *, step_count: int) -> dict:
    """A run's usage with that of its next step; the context is what this one has filled."""
    counts = {
        name: (total.get(name) or 0) + (step[name] or 0)
        if total.get(name) is not None or step[name] is not None
        else None
        for name in step
    }
    return {**counts, "step_count": step_count, "context_tokens": step["total_tokens"]}
