"""Turns with a real language model, whatever text it generates.

`make test-llm` installs the model and runs these tests; without the model they are skipped.
"""

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from conversations.domain.integrity.check import find_breaches
from conversations.models import Run

from ..factories import make_agent, make_conversation
from ..runtime.streams import said, send, stream, types

PYTHON = Path(__file__).resolve().parents[2] / "build" / "llm" / "bin" / "python"
SECONDS = 120

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PYTHON.exists(), reason="no model; `make test-llm` installs one"),
]


@pytest.fixture(scope="module")
def small_model() -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [str(PYTHON), str(Path(__file__).parent / "serve.py"), str(port)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        for line in process.stdout:
            if line.startswith("READY"):
                break
        assert process.poll() is None, "the model server did not start"
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        os.kill(process.pid, signal.SIGTERM)
        process.wait(20)


@pytest.fixture(autouse=True)
def _provider(transactional_db, configure, small_model):
    configure(PROVIDERS={"openai": {"base_url": small_model}}, MODEL_TIMEOUT=SECONDS)


SYSTEM = "You are a helpful assistant. Answer in one short sentence."
PLAIN = {"temperature": 0, "max_output_tokens": 40}
# The chat template only supports required tool calls, not optional ones.
FORCED = {
    "temperature": 0,
    "max_output_tokens": 250,
    "tool_choice": "required",
    "parallel_tool_calls": False,
}


def test_reply_is_streamed_and_stored(client_for, alice):
    agent = make_agent(
        alice, labels=["human"], system=SYSTEM, model="openai/smollm2", model_settings=PLAIN
    )
    conversation = make_conversation(agent, isolated=["human"])

    text = "What is the capital of France?"
    events = stream(client_for(alice), conversation, text, stream_tokens=True)

    pieces = [event for event in events if event["message_type"] == "assistant_message"]
    assert len(pieces) > 1
    assert said(events).strip()
    assert types(events)[-2:] == ["stop_reason", "usage_statistics"]
    usage = events[-1]
    assert usage["prompt_tokens"] > 50
    assert 0 < usage["completion_tokens"] <= 40
    run = Run.objects.get()
    assert run.ttft_ns > 0
    stored = conversation.message_links.get(message__role="assistant").message
    assert stored.text == said(events)


def test_forced_tool_call_edits_isolated_block(client_for, alice):
    agent = make_agent(
        alice,
        memory_blocks=[{"label": "human", "value": "Nobody is known."}],
        system=SYSTEM,
        model="openai/smollm2",
        model_settings=FORCED,
        tools=["core_memory_append"],
    )
    conversation = make_conversation(agent, isolated=["human"])

    text = "My name is Alice and I like tea. Remember it."
    answer = send(client_for(alice), conversation, text, max_steps=1).json()

    assert types(answer["messages"]) == ["tool_call_message", "tool_return_message"]
    assert answer["messages"][1]["status"] == "success", answer["messages"][1]["tool_return"]
    block = conversation.isolations.get().block
    assert block.version == 2
    assert block.value.startswith("Nobody is known.\n")
    revision = block.revisions.get(number=2)
    assert (revision.source, revision.run_id) == ("tool", Run.objects.get().pk)
    assert agent.blocks.get().value == "Nobody is known."
    assert list(find_breaches()) == []
