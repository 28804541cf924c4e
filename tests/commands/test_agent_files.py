import os

import pytest
from django.core.management import CommandError, call_command

from conversations.models import Agent
from conversations.transfer.agent_files.parse import MAX_BYTES

from ..factories import make_agent, make_conversation, make_messages
from ..transfer.agent_files.files import FLAT, encoded, snapshot


def test_agent_round_trips_through_a_file(alice, mallory, tmp_path, capsys):
    agent = make_agent(alice, labels=["human"])
    make_messages(make_conversation(agent, isolated=["human"]), "hello")
    file = tmp_path / "agent.af"

    call_command("export_agent", agent.pk, "--revisions")
    file.write_text(capsys.readouterr().out)
    call_command(
        "import_agent_file", str(file), "--organization", "Elsewhere", "--member", "mallory"
    )

    imported = Agent.objects.get(pk=capsys.readouterr().out.strip())
    assert snapshot(imported, revisions=True) == snapshot(agent, revisions=True)
    assert (imported.organization, imported.created_by) == (mallory.organization, mallory)


def test_import_dry_run_warns_and_writes_nothing(alice, tmp_path, capsys):
    file = tmp_path / "flat.af"
    file.write_bytes(encoded(FLAT))

    call_command("import_agent_file", str(file), "--organization", "Acme", "--dry-run")

    output = capsys.readouterr()
    assert output.out == ""
    assert "core_memory.0: the limit 2 is raised" in output.err
    assert "The file is valid. Agents: 'Flat'. Dry run: nothing was written." in output.err
    assert not Agent.objects.exists()


def test_large_file_is_rejected_unread(alice, tmp_path):
    file = tmp_path / "large.af"
    file.touch()
    os.truncate(file, 200 * 2**20)

    with pytest.raises(CommandError, match=f"209715200 bytes; expected at most {MAX_BYTES}"):
        call_command("import_agent_file", str(file), "--organization", "Acme")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["--organization", "Acme"], "Can't read 'nowhere.af': No such file"),
        (["--organization", "Nobody"], "Nobody"),
        (
            ["--organization", "Acme", "--member", "mallory"],
            "'Acme' has no member called 'mallory'",
        ),
    ],
)
def test_invalid_import_arguments_are_rejected(alice, mallory, arguments, error):
    with pytest.raises(CommandError, match=error):
        call_command("import_agent_file", "nowhere.af", *arguments)


def test_export_of_unknown_agent_is_rejected(db):
    with pytest.raises(CommandError, match="agent-<uuid>"):
        call_command("export_agent", "agent-1")
