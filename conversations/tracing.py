"""Spans of OpenTelemetry, if its API is installed (`pip install "django-palimpsest[otel]"`).

Requests, turns, tools, model calls and writes to memory are spans, with the names and attributes of
the GenAI semantic conventions. No span holds a text of a prompt, a message or memory.
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer

# The names of attributes, as the GenAI conventions have them.
OPERATION = "gen_ai.operation.name"
ERROR_TYPE = "error.type"


def _tracer() -> "Tracer | None":
    try:
        from opentelemetry import trace  # noqa: PLC0415 (an optional package)
    except ModuleNotFoundError:
        return None
    # It follows the provider that the project sets later.
    return trace.get_tracer("conversations")


tracer = _tracer()


def span(
    name: str, attributes: Mapping[str, Any] | None = None, *, kind: str = "INTERNAL"
) -> AbstractContextManager["Span | None"]:
    """Return a context manager for a span that is current in its block; of None without the API.

    An error that leaves the block ends the span with its class, not with its text.
    """
    return nullcontext() if tracer is None else _span(tracer, name, attributes, kind)


@contextmanager
def _span(
    tracer: "Tracer", name: str, attributes: Mapping[str, Any] | None, kind: str
) -> Iterator["Span"]:
    from opentelemetry.trace import SpanKind  # noqa: PLC0415 (an optional package)

    with tracer.start_as_current_span(
        name,
        kind=SpanKind[kind],
        attributes=attributes,
        record_exception=False,
        set_status_on_exception=False,
    ) as current:
        try:
            yield current
        except BaseException as error:
            fail(current, type(error).__name__)
            raise


def fail(span: "Span | None", error_type: str) -> None:
    """Mark a span as failed."""
    if span is not None:
        from opentelemetry.trace import StatusCode  # noqa: PLC0415 (an optional package)

        span.set_attribute(ERROR_TYPE, error_type)
        span.set_status(StatusCode.ERROR)


def continue_trace(headers: Mapping[str, str]) -> None:
    """Make the trace that a request's header `traceparent` names the current one."""
    if tracer is not None:
        from opentelemetry import context, propagate  # noqa: PLC0415 (an optional package)

        context.attach(propagate.extract(headers, context=context.Context()))
