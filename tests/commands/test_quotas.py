import pytest
from django.core.management import CommandError, call_command

from conversations.models import Organization

from ..factories import make_agent


def quotas(capsys, *arguments: str) -> dict[str, list[str]]:
    call_command("quotas", "Acme", *arguments)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    return {line[0]: line[1:] for line in lines}


def test_command_shows_and_changes_quotas(alice, capsys):
    make_agent(alice)

    assert quotas(capsys)["max_conversations"] == ["1,000,000", "1", "default"]
    changed = quotas(capsys, "max_conversations=20", "conversation_retention_days=90")
    assert changed["max_conversations"] == ["20", "1"]
    assert changed["conversation_retention_days"] == ["90"]
    assert quotas(capsys, "max_conversations=default")["max_conversations"][2] == "default"
    assert Organization.objects.get().conversation_retention_days == 90


@pytest.mark.parametrize(
    "argument", ["max_agents=3", "max_conversations=-1", "max_conversations=0"]
)
def test_command_refuses_what_is_no_quota(alice, argument):
    with pytest.raises(CommandError):
        call_command("quotas", "Acme", argument)
