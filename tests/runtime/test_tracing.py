"""Spans of requests, turns, tools, model calls and memory, as an exporter receives them."""

import asyncio
import os
import subprocess
import sys

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from conversations.context import begin
from project.access_log import ROUTE, AccessLog

from ..factories import make_agent, make_conversation
from ..script import call, fail, say, script
from ..sdk.server import ROOT
from .processes import until
from .streams import send

TOOLS = ["memory_insert"]


@pytest.fixture(scope="module")
def exporter() -> InMemorySpanExporter:
    # Once per process: OpenTelemetry refuses a second provider.
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return exporter


@pytest.fixture
def spans(exporter):
    """Return a function: `spans(name)` waits for the finished spans with this name."""
    exporter.clear()

    def found(name: str) -> list:
        def of_name() -> list:
            return [each for each in exporter.get_finished_spans() if each.name == name]

        until(of_name, seconds=30, what=f"a span {name}")
        return of_name()

    return found


def test_turn_has_spans_of_model_tools_and_memory(client_for, alice, model, spans):
    agent = make_agent(alice, labels=["human"], tools=TOOLS, model="openai/small")
    conversation = make_conversation(agent)
    secret = "a secret of memory"
    said = script(call("memory_insert", label="human", new_string=secret), say("done"))

    send(client_for(alice), conversation, said)

    [turn] = spans("invoke_agent")
    assert turn.attributes["gen_ai.operation.name"] == "invoke_agent"
    assert turn.attributes["gen_ai.agent.id"] == agent.pk
    assert turn.attributes["gen_ai.conversation.id"] == conversation.pk
    first, second = spans("chat small")
    assert first.kind == SpanKind.CLIENT
    assert first.parent.span_id == second.parent.span_id == turn.context.span_id
    expected = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "small",
        "gen_ai.response.model": "small",
        "gen_ai.response.finish_reasons": ("tool_calls",),
    }
    assert expected.items() <= first.attributes.items()
    assert first.attributes["gen_ai.usage.input_tokens"] > 0
    assert first.attributes["gen_ai.usage.output_tokens"] > 0
    [tool] = spans("execute_tool memory_insert")
    assert tool.parent.span_id == turn.context.span_id
    [memory] = spans("update_memory")
    block = agent.blocks.get(label="human")
    assert memory.parent.span_id == tool.context.span_id
    assert memory.attributes["gen_ai.memory.record.id"] == block.pk
    assert memory.attributes["gen_ai.memory.store.id"] == alice.organization_id
    assert not any(secret in span.to_json() for span in (turn, first, second, tool, memory))


def test_failed_turn_marks_its_spans(client_for, alice, model, spans):
    conversation = make_conversation(make_agent(alice, model="openai/small"))

    send(client_for(alice), conversation, fail(401))

    for span in (*spans("invoke_agent"), *spans("chat small")):
        assert span.status.status_code == StatusCode.ERROR
        assert span.attributes["error.type"] == "llm_authentication"
        assert not span.events


def test_request_continues_the_trace_of_its_client(spans):
    trace_id, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    headers = [(b"traceparent", f"00-{trace_id}-{parent}-01".encode())]
    scope = {"type": "http", "method": "GET", "path": "/v1/agents/agent-1", "headers": headers}

    async def respond():
        async def send(message):
            pass

        begin(request_id="mine", address="")
        with AccessLog(scope, send) as access, access.span():
            scope[ROUTE] = "v1/agents/<agent_id>"
            await access.send({"type": "http.response.start", "status": 503})

    asyncio.run(respond())

    [span] = spans("GET v1/agents/<agent_id>")
    assert (span.kind, span.status.status_code) == (SpanKind.SERVER, StatusCode.ERROR)
    assert f"{span.context.trace_id:032x}" == trace_id
    assert f"{span.parent.span_id:016x}" == parent
    assert span.attributes["http.response.status_code"] == 503
    assert span.attributes["palimpsest.request.id"] == "mine"


def test_server_works_without_the_packages():
    code = (
        "import sys; sys.modules.update(opentelemetry=None, prometheus_client=None)\n"
        "import django; django.setup()\n"
        "import project.asgi\n"
        "from conversations.tracing import span, tracer\n"
        "with span('x') as current: print(tracer, current)\n"
    )
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "project.settings"}

    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True
    )

    assert (done.stdout, done.returncode) == ("None None\n", 0), done.stderr
