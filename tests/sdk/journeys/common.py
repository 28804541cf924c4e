"""Helpers for all journeys: the client of the tested version, and assertions."""

import json
import os
import time

import letta_client

WORLD = json.loads(os.environ["WORLD"])
BASE_URL = os.environ["BASE_URL"]
VERSION = tuple(int(part) for part in letta_client.__version__.split("."))
NOWHERE = "00000000-0000-4000-8000-0000000000ff"
MODEL = "openai/gpt-4o-mini"


def equal(got, expected):
    if got != expected:
        raise AssertionError(f"\n  expected {expected!r}\n  got      {got!r}")


equal(letta_client.__version__, os.environ["CLIENT_VERSION"])


def connect(key: str = WORLD["key"], kind=letta_client.Letta):
    # By default the client retries twice, even after a 409.
    return kind(base_url=BASE_URL, api_key=key, max_retries=0)


def isolating(*labels: str) -> dict:
    """Return the argument of conversations.create that isolates labels; removed in 1.11."""
    body = {"isolated_block_labels": list(labels)}
    return body if VERSION < (1, 11) else {"extra_body": body}


def context_of(client, agent_id: str, conversation_id: str) -> dict:
    """Return the context window; the client has no method for it."""
    params = {"conversation_id": conversation_id}
    path = f"/v1/agents/{agent_id}/context"
    return client.get(path, cast_to=object, options={"params": params})


def prompt_of(answer: str) -> str:
    """Return the prompt of a recompile, which the client returns as a JSON string."""
    return json.loads(answer)


def expect_error(kind: type[Exception], call, *arguments, **named):
    """Return the exception of a call, which must be exactly of this class."""
    try:
        answer = call(*arguments, **named)
    except Exception as error:
        if type(error) is not kind:
            raise
        return error
    raise AssertionError(f"expected {kind.__name__}, got {answer!r}")


def until(condition):
    """Wait up to a minute until a condition holds."""
    deadline = time.monotonic() + 60
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("the condition does not hold after a minute")
        time.sleep(0.01)


def passed():
    print("passed")
