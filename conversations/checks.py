"""System checks of the setting `CONVERSATIONS`."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.checks import Error, register

from .conf import DEFAULTS


@register()
def check_settings(app_configs: Any = None, **kwargs: Any) -> list[Error]:
    """Report unknown keys and wrong values of `CONVERSATIONS`."""
    given = getattr(settings, "CONVERSATIONS", {})
    if not isinstance(given, Mapping):
        return [
            Error(
                f"CONVERSATIONS: expected a dict, got {given!r}.",
                hint="Remove it to use the defaults.",
                id="conversations.E001",
            )
        ]
    errors = [
        Error(
            f"CONVERSATIONS has the unknown key {key!r}.",
            hint=f"Known keys: {', '.join(DEFAULTS)}.",
            id="conversations.E002",
        )
        for key in given
        if key not in DEFAULTS
    ]
    if not isinstance(given.get("RUN_TURNS_IN_WEB", True), bool):
        errors.append(_wrong("RUN_TURNS_IN_WEB", "True or False", given))
    if given.get("PROMPT_REFRESH", "on_change") not in ("on_change", "manual"):
        errors.append(_wrong("PROMPT_REFRESH", "'on_change' or 'manual'", given))
    errors += [
        _wrong(key, "a positive number of seconds", given)
        for key in ("MODEL_TIMEOUT", "STALLED_RUN_TIMEOUT")
        if not _is_positive(given.get(key, DEFAULTS[key]))
    ]
    return errors + _check_providers(given.get("PROVIDERS", {}))


def _wrong(key: str, expected: str, given: Mapping[str, Any]) -> Error:
    return Error(
        f"CONVERSATIONS[{key!r}] is {given[key]!r}.",
        hint=f"Expected {expected}; the default is {DEFAULTS[key]!r}.",
        id="conversations.E003",
    )


def _is_positive(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0


def _check_providers(providers: object) -> list[Error]:
    """Report providers without a base URL. The texts leave out values: they hold API keys."""
    if not isinstance(providers, Mapping):
        entries = {"": providers}
    else:
        entries = {name: entry for name, entry in providers.items() if not _is_usable(name, entry)}
    return [
        Error(
            f"CONVERSATIONS['PROVIDERS'] has an unusable entry {name!r}.",
            hint=(
                "Expected {name: {'base_url': 'https://…', 'api_key': '…'}}; only 'openai' works "
                "without a base_url."
            ),
            id="conversations.E004",
        )
        for name in entries
    ]


def _is_usable(name: object, entry: object) -> bool:
    if not isinstance(name, str) or not isinstance(entry, Mapping):
        return False
    needed = {"api_key"} if name == "openai" and "base_url" not in entry else {"base_url"}
    texts = all(isinstance(text, str) for text in entry.values())
    return texts and needed <= set(entry) <= {"base_url", "api_key"}
