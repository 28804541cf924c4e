"""Where this server answers otherwise than V1, on purpose, and why. Nothing else may differ.

Keys are the file and the note of a recorded exchange.
"""

from collections.abc import Callable
from typing import Any, NamedTuple


class Status(NamedTuple):
    """Our status for an exchange, and what a caller may send `instead` to get V1's answer."""

    status: int
    why: str
    instead: dict[str, Any] | None = None


class Length(NamedTuple):
    """How many items we list."""

    length: int
    why: str


LIMIT = "a limit of 0 or less is refused alike by every list; V1 failed, listed all or nothing"
CURSOR = "an unknown cursor is a 404 in every list; V1 ignored it in some"
CURSOR_SHAPE = "a cursor that is no id is a 422"
TOO_LONG = "a block's limit holds on every path"
SEARCH = "the database searches; V1 needed two services for it"
GONE = "a conversation that is not there has no list of messages"
CLAIM = "the key says who is calling; the header may only repeat it"
PROBE = "a probe has no key and need not follow redirects"

STATUSES = {
    ("agents", "create: unknown model handle"): Status(
        200, "a handle is checked for its form; which models answer is known at the turn"
    ),
    ("agents", "create: block_ids missing"): Status(404, "V1 left it out and said nothing"),
    ("agents", "create: two memory_blocks with one label"): Status(
        400, "V1 dropped the second and said nothing"
    ),
    ("agents", "create: block over limit"): Status(422, TOO_LONG),
    ("agents", "create: bad name"): Status(422, "V1 failed"),
    ("agents", "list unknown cursor"): Status(404, CURSOR),
    ("agents", "list limit 0"): Status(422, LIMIT),
    ("agents", "list limit -1"): Status(422, LIMIT),
    ("core_memory", "list blocks, unknown cursor"): Status(404, CURSOR),
    ("core_memory", "modify over limit"): Status(422, TOO_LONG),
    ("context", "context: missing conversation"): Status(404, "V1 took any id"),
    ("context", "context: bad conversation id"): Status(422, "V1 took any id"),
    ("context", "context: conversation of another agent"): Status(
        404, "V1 put another agent's messages into this one's context"
    ),
    ("blocks", "create null byte in value"): Status(
        422, "V1 changed the text and said nothing", instead={"value": "ab"}
    ),
    ("blocks", "modify over limit"): Status(422, TOO_LONG),
    ("blocks", "modify limit below the value length"): Status(422, TOO_LONG),
    ("blocks_errors", "create: over limit"): Status(422, TOO_LONG),
    ("blocks_errors", "create: over the default limit"): Status(422, TOO_LONG),
    ("blocks_errors", "create: limit 0"): Status(422, "such a block can hold nothing"),
    ("blocks_errors", "create: limit negative"): Status(422, "such a block can hold nothing"),
    ("blocks_errors", "create: label empty"): Status(422, "a prompt has no tag for it"),
    ("blocks_errors", "create: label odd characters"): Status(
        422, "a prompt has no tag for it, and V1's own lists refused to look for it"
    ),
    ("blocks_errors", "create: form body"): Status(415, "the body is no JSON by its own account"),
    ("blocks_errors", "agents: missing block"): Status(404, "V1 listed nothing"),
    ("blocks_errors", "list: limit 0"): Status(422, LIMIT),
    ("blocks_errors", "list: limit -1"): Status(422, LIMIT),
    ("blocks_errors", "list: unknown cursor"): Status(404, CURSOR),
    ("blocks_errors", "list: bad cursor"): Status(422, CURSOR_SHAPE),
    ("blocks_errors", "list: bad identity_id"): Status(200, "no identities: any id finds nothing"),
    ("health", "GET /v1/health"): Status(200, PROBE),
    ("health", "GET /v1/ready"): Status(200, PROBE),
    ("health", "GET /"): Status(302, "the front page is the admin, not the API's pages"),
    ("health", "HEAD health"): Status(200, "HEAD is GET without the body"),
    ("conversations", "update model empty string"): Status(400, "no handle; V1 stored it"),
    ("conversations", "messages of deleted"): Status(404, GONE),
    ("conversations_errors", "create: duplicate label"): Status(
        400, "the request is wrong whatever is stored; V1 showed its SQL"
    ),
    ("conversations_errors", "list: bad agent id"): Status(422, "V1 listed nothing"),
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
    ("messages_llm", "agents messages list limit 0"): Status(422, LIMIT),
    ("messages_llm", "messages.search"): Status(200, SEARCH),
    ("messages_llm", "messages.search by conversation"): Status(200, SEARCH),
    ("messages_llm", "compact"): Status(200, "V1's model had said nothing it could use"),
    ("runs", "delete run"): Status(200, "V1 failed; here the record of a turn can be deleted"),
    ("runs", "run after delete"): Status(404, "because it was deleted"),
    ("runs", "run stream of a finished non-background run"): Status(
        200, "events are kept, so every run can be told again"
    ),
    ("conversations_errors", "create: unknown model handle"): Status(
        404, "V1 took it, and every message then failed"
    ),
    ("conversations_errors", "stream: missing"): Status(404, "there is no such conversation"),
    ("multi_org", "messages as other org"): Status(404, GONE),
    ("multi_org", "context of own agent with the other org's conversation"): Status(
        404, "V1 took any id"
    ),
    ("multi_org", "list cursor of other org (last_run_completion)"): Status(404, CURSOR),
    ("multi_org", "blocks cursor of other org"): Status(404, CURSOR),
    ("multi_org", "unknown but well-formed user_id falls back to the default user"): Status(
        403, CLAIM
    ),
    ("auth", "health without trailing slash"): Status(200, PROBE),
    ("auth", "X-BARE-PASSWORD"): Status(401, "one password for everybody; keys come as Bearer"),
}

LENGTHS = {
    ("conversations", "list summary_search other case"): Length(1, "searching ignores case"),
    ("conversations", "list summary_search with wildcard %"): Length(0, "% is a character"),
    ("conversations_errors", "list after the failed create (an orphan conversation?)"): Length(
        1, "a refused creation leaves nothing"
    ),
    ("messages_llm", "list include_return_message_types"): Length(
        3, "the limit counts messages of these types"
    ),
    ("runs", "list active"): Length(0, "runs end; in V1 many stayed created for ever"),
}

# Fields that V1 sends and we leave out, as parent.field; at the top there is no parent.
DEPRECATED_CONFIG = "deprecated in the client; we fill what names the model and its window"
AS_SENT = "settings are kept as they were sent; V1 filled in its defaults"
ALWAYS_NULL = "null in every recorded answer"
LEFT_OUT = {
    ".trace_id": "an empty text in every recorded answer; `detail` says what is wrong",
    ".examples": "`detail` shows the form of an id",
    "metadata.lettuce": "another product of V1's",
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
    # The messages of a context window.
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

ORDERED = "cursors follow the order asked for; V1's ignored it, so that its pages began anew"
NOT_COMPARED = {
    ("messages_llm", "list before cursor (desc order)"): ORDERED,
    ("messages_llm", "list after cursor (desc order)"): ORDERED,
    ("blocks", "list connected eq 0"): "by time, like every list; with this filter V1's was by id",
    ("messages_llm", "messages after compact"): "V1's compaction had failed",
    ("messages_llm", "preview-raw-payload"): "only its beginning was recorded",
    ("messages_llm", "messages.retrieve"): "V1 called an assistant's message reasoning",
}

# Answers that were shortened when they were recorded: ours, shortened alike.
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


# Routes that are not here, and why. A test says when one is: then take it out here.
OPERATORS = "operators make organizations and users: in the admin, with manage.py"
NOT_YET = {
    "POST agents/messages/search": "an older name of messages/search, in no client",
    "POST admin/orgs/": OPERATORS,
    "POST admin/users/": OPERATORS,
}
# Stories in which requests overlap; tests/turns tells them with threads.
NOT_YET_FILES = {"busy": "turns that overlap"}
