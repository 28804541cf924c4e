"""System checks of the setting `CONVERSATIONS`."""

import shutil
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.checks import Error, register

from .conf import DEFAULTS, conf
from .models import Quota

SECONDS = "a positive number of seconds"
COUNTS = (
    "MAX_RUN_ATTEMPTS",
    "MAX_TOOL_CALLS",
    "MAX_TURNS",
    "MAX_QUEUED_TURNS",
    *(quota.name for quota in Quota),
)
EXPECTED = {
    "MODEL_TIMEOUT": SECONDS,
    "STALLED_RUN_TIMEOUT": SECONDS,
    "QUEUE_TIMEOUT": SECONDS,
    "EVENT_RETENTION": "a positive number of days",
    "TOOL_TIMEOUT": SECONDS,
    "TOOL_RUNNER": "'off', 'bubblewrap' or 'subprocess'",
    "TOOL_MEMORY": "a positive whole number of MiB",
    "TOOL_PYTHON": "the path of an interpreter, or ''",
    "SHUTDOWN_GRACE": SECONDS,
    "PROMPT_REFRESH": "'on_change' or 'manual'",
    "RUN_TURNS_IN_WEB": "True or False",
    "METRICS": "True or False",
    "STEP_TRACES": "True or False",
    "API_KEY_LIFETIME": "a positive whole number of days",
    "OUTBOUND_ALLOWED_HOSTS": "a list of host names, addresses and networks",
    "ENCRYPTION_KEYS": "a list of texts",
    **dict.fromkeys(COUNTS, "a positive whole number"),
}

# Settings whose values stay out of messages.
SECRETS = {"ENCRYPTION_KEYS"}


@register()
def check_settings(app_configs: Any = None, **kwargs: Any) -> list[Error]:
    """Report unknown keys and wrong values of `CONVERSATIONS`."""
    given = getattr(settings, "CONVERSATIONS", {})
    if not isinstance(given, Mapping):
        message = f"CONVERSATIONS: expected a dict, got {given!r}."
        return [Error(message, hint="Remove it to use the defaults.", id="conversations.E001")]
    errors = []
    for key, value in given.items():
        if key not in DEFAULTS:
            message = f"CONVERSATIONS has the unknown key {key!r}."
            hint = f"Known keys: {', '.join(DEFAULTS)}."
            errors.append(Error(message, hint=hint, id="conversations.E002"))
        elif key == "PROVIDERS":
            errors += _check_providers(value)
        elif not _is_valid(key, value):
            shown = "something else" if key in SECRETS else repr(value)
            message = f"CONVERSATIONS[{key!r}] is {shown}."
            hint = f"Expected {EXPECTED[key]}; the default is {DEFAULTS[key]!r}."
            errors.append(Error(message, hint=hint, id="conversations.E003"))
    return errors


@register()
def check_sandbox(app_configs: Any = None, **kwargs: Any) -> list[Error]:
    """Report a sandbox for tools that is not installed."""
    if conf.TOOL_RUNNER != "bubblewrap" or shutil.which("bwrap"):
        return []
    message = (
        "CONVERSATIONS['TOOL_RUNNER'] is 'bubblewrap', but the program bwrap is not installed."
    )
    return [Error(message, hint="Install Debian's package bubblewrap.", id="conversations.E005")]


def _is_valid(key: str, value: object) -> bool:
    if key == "PROMPT_REFRESH":
        return value in ("on_change", "manual")
    if key in ("RUN_TURNS_IN_WEB", "METRICS", "STEP_TRACES"):
        return isinstance(value, bool)
    if key in ("ENCRYPTION_KEYS", "OUTBOUND_ALLOWED_HOSTS"):
        return isinstance(value, list | tuple) and all(isinstance(k, str) and k for k in value)
    if key == "TOOL_RUNNER":
        return value in ("off", "bubblewrap", "subprocess")
    if key == "TOOL_PYTHON":
        return isinstance(value, str)
    if "whole number" in EXPECTED[key] and not isinstance(value, int):
        return False
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0


def _check_providers(providers: object) -> list[Error]:
    """Report providers without a base URL. The texts leave out values: they hold API keys."""
    entries = providers if isinstance(providers, Mapping) else {"": providers}
    return [
        Error(
            f"CONVERSATIONS['PROVIDERS'] has an unusable entry {name!r}.",
            hint=(
                "Expected {name: {'base_url': 'https://…', 'api_key': '…'}}; only 'openai' works "
                "without a base_url."
            ),
            id="conversations.E004",
        )
        for name, entry in entries.items()
        if not _is_usable(name, entry)
    ]


def _is_usable(name: object, entry: object) -> bool:
    if not isinstance(name, str) or not isinstance(entry, Mapping):
        return False
    needed = {"api_key"} if name == "openai" and "base_url" not in entry else {"base_url"}
    texts = all(isinstance(text, str) for text in entry.values())
    return texts and needed <= set(entry) <= {"base_url", "api_key"}
