"""The app's settings: the keys of the dict `CONVERSATIONS`, with their defaults.

`conf.MODEL_TIMEOUT` reads Django's settings at each access, so that `override_settings` works.
Unknown keys and wrong values are reported by the system checks in `checks.py`.
"""

from typing import TYPE_CHECKING, Any, Literal, TypedDict

from django.conf import settings


class ProviderSettings(TypedDict, total=False):
    """A server that speaks OpenAI's chat-completions API."""

    base_url: str  # required, but for the provider `openai`
    api_key: str


DEFAULTS: dict[str, Any] = {
    # Model handles read `provider/model`. Without a provider the scripted model replies.
    "PROVIDERS": {},
    # The longest wait for a provider's first bytes, retries included, or next ones, in seconds.
    "MODEL_TIMEOUT": 120.0,
    # "on_change": recompile a stale prompt at the next turn; "manual": only on request.
    "PROMPT_REFRESH": "on_change",
    # Whether web processes execute the turns that they receive; otherwise `run_worker` does.
    "RUN_TURNS_IN_WEB": True,
    # A worker without a heartbeat for this many seconds is lost; others resume its runs.
    "STALLED_RUN_TIMEOUT": 30.0,
    # How many workers may execute a run, one after the other, before it fails.
    "MAX_RUN_ATTEMPTS": 3,
    # A run that no worker claims within this many seconds fails.
    "QUEUE_TIMEOUT": 300.0,
    # The maximum of messages that wait for other turns of their conversation.
    "MAX_QUEUED_TURNS": 100,
    # The longest time between SIGTERM and the end of a process, in seconds.
    "SHUTDOWN_GRACE": 25.0,
    # A new API key expires after this many days, unless its creator says otherwise.
    "API_KEY_LIFETIME": 365,
    # The maximum of tool calls in one step, which is one transaction; further ones are refused.
    "MAX_TOOL_CALLS": 64,
    # The maximum of turns that a process executes at a time; the others wait.
    "MAX_TURNS": 400,
    # The longest run of one call of a tool that leaves the database, in seconds.
    "TOOL_TIMEOUT": 60.0,
    # How long the events of a finished run are kept, in days.
    "EVENT_RETENTION": 7.0,
    # Whether steps keep what their model was sent and replied, for as long as events are kept.
    "STEP_TRACES": True,
    # Quotas of an organization that has none of its own (models/accounts.py).
    "REQUESTS_PER_MINUTE": 24_000,
    "KEY_REQUESTS_PER_MINUTE": 12_000,
    "CONCURRENT_TURNS": 256,
    "MAX_CONVERSATIONS": 1_000_000,
    "MAX_MEMORY_CHARACTERS": 1_000_000_000,
    # How tools with Python source run: "off", "bubblewrap" (sandboxed) or "subprocess" (trusted).
    "TOOL_RUNNER": "off",
    # The address space of a process of such a tool, in MiB.
    "TOOL_MEMORY": 512,
    # The interpreter of such tools, and so the packages they may import; "" for the server's own.
    "TOOL_PYTHON": "",
    # Where requests to hosts that callers name may go, such as MCP servers: names, `.domain` with
    # its subdomains, addresses and networks; "*" for every host with a public address.
    "OUTBOUND_ALLOWED_HOSTS": ["*"],
    # Keys of stored secrets, the newest first. Without any, SECRET_KEY and its fallbacks serve.
    "ENCRYPTION_KEYS": [],
    # Whether to count requests, turns and tokens for Prometheus; needs prometheus-client.
    "METRICS": False,
}


class Conf:
    """Typed access to `settings.CONVERSATIONS`."""

    PROVIDERS: dict[str, ProviderSettings]
    MODEL_TIMEOUT: float
    PROMPT_REFRESH: Literal["on_change", "manual"]
    RUN_TURNS_IN_WEB: bool
    STALLED_RUN_TIMEOUT: float
    MAX_RUN_ATTEMPTS: int
    QUEUE_TIMEOUT: float
    SHUTDOWN_GRACE: float
    API_KEY_LIFETIME: int
    MAX_TOOL_CALLS: int
    MAX_TURNS: int
    MAX_QUEUED_TURNS: int
    TOOL_TIMEOUT: float
    EVENT_RETENTION: float
    STEP_TRACES: bool
    REQUESTS_PER_MINUTE: int
    KEY_REQUESTS_PER_MINUTE: int
    CONCURRENT_TURNS: int
    MAX_CONVERSATIONS: int
    MAX_MEMORY_CHARACTERS: int
    TOOL_RUNNER: Literal["off", "bubblewrap", "subprocess"]
    TOOL_MEMORY: int
    TOOL_PYTHON: str
    OUTBOUND_ALLOWED_HOSTS: list[str]
    ENCRYPTION_KEYS: list[str]
    METRICS: bool

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            if name not in DEFAULTS:
                raise AttributeError(name)
            return getattr(settings, "CONVERSATIONS", {}).get(name, DEFAULTS[name])


conf = Conf()
