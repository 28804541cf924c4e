"""What every journey uses: the client of the version under test, and comparing."""

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
    # Without retries, because the client repeats even a 409 twice.
    return kind(base_url=BASE_URL, api_key=key, max_retries=0)


def isolating(*labels: str) -> dict:
    """The argument of conversations.create that isolates labels; gone from the client in 1.11."""
    body = {"isolated_block_labels": list(labels)}
    return body if VERSION < (1, 11) else {"extra_body": body}


def context_of(client, agent_id: str, conversation_id: str) -> dict:
    """The context window, which the client has no method for."""
    params = {"conversation_id": conversation_id}
    path = f"/v1/agents/{agent_id}/context"
    return client.get(path, cast_to=object, options={"params": params})


def prompt_of(answer: str) -> str:
    """The text of a recompile: as V1 does, the client hands out the JSON string unread."""
    return json.loads(answer)


def refusal(kind: type[Exception], call, *arguments, **named):
    """The error of a call that must be refused with exactly this one."""
    try:
        answer = call(*arguments, **named)
    except Exception as error:
        if type(error) is not kind:
            raise
        return error
    raise AssertionError(f"expected {kind.__name__}, got {answer!r}")


def until(condition):
    """Wait until a condition holds, a minute at the longest."""
    deadline = time.monotonic() + 60
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("waited for a minute")
        time.sleep(0.01)


def arrived():
    print("arrived")
