"""The settings of the app and their system checks."""

import pytest

from conversations.checks import check_sandbox, check_settings
from conversations.conf import DEFAULTS, Conf, conf


def test_settings_have_defaults_in_host_without_any(settings):
    del settings.CONVERSATIONS

    assert conf.MODEL_TIMEOUT == 120
    assert {key: getattr(conf, key) for key in DEFAULTS} == DEFAULTS
    assert check_settings() == []


def test_settings_are_read_at_each_access(settings):
    settings.CONVERSATIONS = {"MODEL_TIMEOUT": 3}

    assert (conf.MODEL_TIMEOUT, conf.STALLED_RUN_TIMEOUT) == (3, 30)


def test_every_setting_has_a_type_and_a_default():
    assert set(Conf.__annotations__) == set(DEFAULTS)


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("text", "E001"),
        ({"MODEL_TIMEOOT": 3}, "E002"),
        ({"MODEL_TIMEOUT": 0}, "E003"),
        ({"MODEL_TIMEOUT": True}, "E003"),
        ({"STALLED_RUN_TIMEOUT": "30"}, "E003"),
        ({"PROMPT_REFRESH": "x"}, "E003"),
        ({"PROMPT_REFRESH": []}, "E003"),
        ({"RUN_TURNS_IN_WEB": "no"}, "E003"),
        ({"MAX_TOOL_CALLS": 0}, "E003"),
        ({"MAX_TOOL_CALLS": 1.5}, "E003"),
        ({"TOOL_RUNNER": "docker"}, "E003"),
        ({"TOOL_PYTHON": None}, "E003"),
        ({"TOOL_MEMORY": 0.5}, "E003"),
        ({"ENCRYPTION_KEYS": "secret"}, "E003"),
        ({"ENCRYPTION_KEYS": ["secret", ""]}, "E003"),
        ({"PROVIDERS": []}, "E004"),
        ({"PROVIDERS": {"groq": "https://api.groq.com"}}, "E004"),
        ({"PROVIDERS": {"groq": {"api_key": "secret"}}}, "E004"),
        ({"PROVIDERS": {"openai": {}}}, "E004"),
        ({"PROVIDERS": {"openai": {"api_key": 1}}}, "E004"),
        ({"PROVIDERS": {"openai": {"api_key": "secret", "url": "http://x"}}}, "E004"),
    ],
)
def test_check_reports_wrong_setting(settings, given, found):
    settings.CONVERSATIONS = given

    [error] = check_settings()

    assert error.id == f"conversations.{found}"
    assert error.hint
    assert "secret" not in error.msg + error.hint


def test_check_accepts_openai_without_url(settings):
    settings.CONVERSATIONS = {"PROVIDERS": {"openai": {"api_key": "secret"}}}

    assert check_settings() == []


def test_check_reports_missing_sandbox(configure, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert check_sandbox() == []

    configure(TOOL_RUNNER="bubblewrap")

    [error] = check_sandbox()
    assert error.id == "conversations.E005"
