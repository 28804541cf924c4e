"""The intended differences between V1 and this server, with reasons. Nothing else may differ.

Keys are the file and the note of a recorded exchange.
"""

from collections.abc import Callable
from typing import Any, NamedTuple


class Status(NamedTuple):
    """The status here, and what a caller can send `instead` to get V1's response."""

    status: int
    why: str
    instead: dict[str, Any] | None = None


class Length(NamedTuple):
    """The number of listed items here."""

    length: int
    why: str


LIMIT = "every list refuses a limit below 1; V1 failed, or listed everything or nothing"
CURSOR = "every list returns 404 for an unknown cursor; V1 ignored it in some"
CURSOR_SHAPE = "a cursor that is not an id is invalid"
TOO_LONG = "every endpoint enforces the limit of a block"
SEARCH = "PostgreSQL searches; V1 needed two more services"
GONE = "a conversation that does not exist has no list of messages"
CLAIM = "the key identifies the caller; the header may only repeat it"
OPERATORS = "operators create organizations and members in the console or with manage.py"
PROBE = "a health check needs no key and follows no redirects"

STATUSES = {
    ("agents", "create: unknown model handle"): Status(
        200, "only the form of a handle is checked; a turn finds out whether the model exists"
    ),
    ("agents", "create: block_ids missing"): Status(404, "V1 silently ignored it"),
    ("agents", "create: two memory_blocks with one label"): Status(
        400, "V1 silently dropped the second"
    ),
    ("agents", "create: block over limit"): Status(422, TOO_LONG),
    ("agents", "create: bad name"): Status(422, "V1 failed"),
    ("agents", "list unknown cursor"): Status(404, CURSOR),
    ("agents", "list limit 0"): Status(422, LIMIT),
    ("agents", "list limit -1"): Status(422, LIMIT),
    ("core_memory", "list blocks, unknown cursor"): Status(404, CURSOR),
    ("core_memory", "modify over limit"): Status(422, TOO_LONG),
    ("context", "context: missing conversation"): Status(404, "V1 accepted any id"),
    ("context", "context: bad conversation id"): Status(422, "V1 accepted any id"),
    ("context", "context: conversation of another agent"): Status(
        404, "V1 mixed another agent's messages into the context"
    ),
    ("blocks", "create null byte in value"): Status(
        422, "V1 silently changed the text", instead={"value": "ab"}
    ),
    ("blocks", "modify over limit"): Status(422, TOO_LONG),
    ("blocks", "modify limit below the value length"): Status(422, TOO_LONG),
    ("blocks_errors", "create: over limit"): Status(422, TOO_LONG),
    ("blocks_errors", "create: over the default limit"): Status(422, TOO_LONG),
    ("blocks_errors", "create: limit 0"): Status(422, "such a block can't contain any text"),
    ("blocks_errors", "create: limit negative"): Status(422, "such a block can't contain any text"),
    ("blocks_errors", "list: bad label pattern"): Status(200, "a label may be any text"),
    ("blocks_errors", "list: label too long"): Status(200, "a label may be any text"),
    ("blocks_errors", "create: form body"): Status(415, "the content type is not JSON"),
    ("blocks_errors", "agents: missing block"): Status(404, "V1 returned an empty list"),
    ("blocks_errors", "list: limit 0"): Status(422, LIMIT),
    ("blocks_errors", "list: limit -1"): Status(422, LIMIT),
    ("blocks_errors", "list: unknown cursor"): Status(404, CURSOR),
    ("blocks_errors", "list: bad cursor"): Status(422, CURSOR_SHAPE),
    ("health", "GET /v1/health"): Status(200, PROBE),
    ("health", "GET /v1/ready"): Status(200, PROBE),
    ("health", "GET /"): Status(200, "the front page is a page of its own, not a redirect"),
    ("health", "HEAD health"): Status(200, "HEAD is GET without the body"),
    ("conversations", "update model empty string"): Status(
        400, "an empty handle is invalid; V1 stored it"
    ),
    ("conversations", "messages of deleted"): Status(404, GONE),
    ("conversations_errors", "create: duplicate label"): Status(
        400, "the request itself is invalid; V1 exposed its SQL"
    ),
    ("conversations_errors", "list: bad agent id"): Status(422, "V1 returned an empty list"),
    ("conversations_errors", "list: limit 0"): Status(422, LIMIT),
    ("conversations_errors", "list: limit -1"): Status(422, LIMIT),
    ("conversations_errors", "list: limit 100000"): Status(422, "a page has at most 1000 rows"),
    ("conversations_errors", "list: bad cursor"): Status(422, CURSOR_SHAPE),
    ("conversations_errors", "list: unknown cursor, order_by last_run_completion"): Status(
        404, CURSOR
    ),
    ("conversations_errors", "messages: missing conversation"): Status(404, GONE),
    ("conversations_errors", "messages: default without agent_id"): Status(404, GONE),
    ("conversations_errors", "messages: limit 0"): Status(422, LIMIT),
    ("conversations_errors", "messages: limit -1"): Status(422, LIMIT),
    ("conversations_errors", "messages: unknown cursor"): Status(404, CURSOR),
    ("conversations_errors", "messages: bad cursor"): Status(422, CURSOR_SHAPE),
    ("conversations_errors", "bad user_id header"): Status(403, CLAIM),
    ("conversations_errors", "unknown user_id header"): Status(403, CLAIM),
    ("multi_org", "create organization (admin)"): Status(501, OPERATORS),
    ("multi_org", "create user (admin)"): Status(501, OPERATORS),
    ("messages_llm", "agents messages list limit 0"): Status(422, LIMIT),
    ("messages_llm", "messages.search"): Status(200, SEARCH),
    ("messages_llm", "messages.search by conversation"): Status(200, SEARCH),
    ("messages_llm", "compact"): Status(200, "V1's model returned no usable summary"),
    ("runs", "delete run"): Status(200, "V1 failed; a finished run can be deleted"),
    ("runs", "run after delete"): Status(404, "it was deleted"),
    ("runs", "run stream of a finished non-background run"): Status(
        200, "events are stored, so every run can be replayed"
    ),
    ("conversations_errors", "create: unknown model handle"): Status(
        404, "V1 accepted it, and every message failed"
    ),
    ("conversations_errors", "stream: missing"): Status(404, "the conversation does not exist"),
    ("multi_org", "messages as other org"): Status(404, GONE),
    ("multi_org", "context of own agent with the other org's conversation"): Status(
        404, "V1 accepted any id"
    ),
    ("multi_org", "list cursor of other org (last_run_completion)"): Status(404, CURSOR),
    ("multi_org", "blocks cursor of other org"): Status(404, CURSOR),
    ("multi_org", "unknown but well-formed user_id falls back to the default user"): Status(
        403, CLAIM
    ),
    ("auth", "health without trailing slash"): Status(200, PROBE),
    ("auth", "X-BARE-PASSWORD"): Status(401, "V1 had one password; keys are bearer tokens"),
}

LENGTHS = {
    ("conversations", "list summary_search other case"): Length(1, "searches ignore case"),
    ("conversations", "list summary_search with wildcard %"): Length(
        0, "% is an ordinary character"
    ),
    ("conversations_errors", "list after the failed create (an orphan conversation?)"): Length(
        1, "a failed creation stores nothing"
    ),
    ("messages_llm", "list include_return_message_types"): Length(
        3, "the limit counts messages of these types"
    ),
    ("runs", "list active"): Length(0, "every run ends; V1 left many `created`"),
}

# Fields of V1 that are left out, as parent.field; fields at the top have no parent.
DEPRECATED_CONFIG = "deprecated in the client; only the model and its context window are filled in"
AS_SENT = "settings are stored as sent; V1 added its defaults"
ALWAYS_NULL = "null in every recording"
LEFT_OUT = {
    ".trace_id": "empty in every recording; `detail` describes the error",
    ".examples": "`detail` shows the form of an id",
    "metadata.lettuce": "another product",
    **{
        f"llm_config.{field}": DEPRECATED_CONFIG
        for field in (
            "compatibility_type",
            "display_name",
            "effort",
            "enable_reasoner",
            "frequency_penalty",
            "max_reasoning_tokens",
            "max_tokens",
            "model_wrapper",
            "parallel_tool_calls",
            "reasoning_effort",
            "response_format",
            "return_logprobs",
            "return_token_ids",
            "strict",
            "temperature",
            "tier",
            "tool_call_parser",
            "top_logprobs",
            "verbosity",
        )
    },
    **{
        f"model_settings.{field}": AS_SENT
        for field in (
            "max_output_tokens",
            "parallel_tool_calls",
            "reasoning",
            "response_format",
            "strict",
        )
    },
    # Messages of a context window.
    **{
        f"messages.{field}": ALWAYS_NULL
        for field in (
            "approval_request_id",
            "approvals",
            "approve",
            "batch_item_id",
            "conversation_id",
            "denial_reason",
        )
    },
    "content.signature": ALWAYS_NULL,
}

ORDERED = "cursors follow the requested order; V1 ignored it, so its pages started over"
NOT_COMPARED = {
    ("messages_llm", "list before cursor (desc order)"): ORDERED,
    ("messages_llm", "list after cursor (desc order)"): ORDERED,
    ("blocks", "list connected eq 0"): "by time, like every list; V1 sorted by id with this filter",
    ("messages_llm", "messages after compact"): "V1's compaction failed",
    ("messages_llm", "preview-raw-payload"): "only the beginning was recorded",
    ("messages_llm", "messages.retrieve"): "V1 returned an assistant message as reasoning",
}

# Functions that shorten our responses as the recording did.
_labels = [
    ("core_memory", "attach"),
    ("core_memory", "attach again (same block)"),
    ("core_memory", "detach"),
]
CONDENSED: dict[tuple[str, str], Callable[[Any], Any]] = {
    ("agents", "create with no agent_type, old SDK header absent"): lambda agent: {
        **agent,
        "tool_names": [tool["name"] for tool in agent["tools"]],
    },
    ("agents", "create without embedding"): lambda agent: {**agent, "detail": None},
    ("agents", "modify block_ids"): lambda agent: {
        "blocks": [block["label"] for block in agent["blocks"]]
    },
    ("agents", "modify model"): lambda agent: {
        "model": agent["model"],
        "llm_config.model": agent["llm_config"]["model"],
    },
    ("compact", "messages after compact (asc)"): lambda messages: [
        [message["message_type"], message.get("content", "")] for message in messages
    ],
    ("core_memory", "blocks after attach"): lambda blocks: [_pair(block) for block in blocks],
    **dict.fromkeys(
        _labels, lambda agent: {**agent, "blocks": [_pair(block) for block in agent["blocks"]]}
    ),
}


def _pair(block: dict) -> list[str]:
    return [block["label"], block["id"]]


# Routes that are not served, with reasons. A test fails when one is served after all.
NOT_YET = {
    "POST agents/messages/search": "an older name of messages/search that no client uses",
}
# Stories with concurrent requests, which tests/runtime covers.
NOT_YET_FILES = {"busy": "concurrent turns"}
