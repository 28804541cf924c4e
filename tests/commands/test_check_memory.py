import pytest
from django.core.management import CommandError, call_command

from conversations.models import Block

from ..factories import make_block


def test_demo_has_no_breach(db, capsys):
    call_command("seed_demo")
    capsys.readouterr()

    call_command("check_memory")

    out, err = capsys.readouterr()
    assert out == ""
    assert err == "26 rules checked; breaches: 0.\n"


def test_breach_is_printed_and_exit_status_is_1(alice, capsys):
    block = make_block(alice)
    Block.objects.filter(pk=block.pk).update(version=7)

    with pytest.raises(SystemExit) as ended:
        call_command("check_memory")

    out, err = capsys.readouterr()
    assert ended.value.code == 1
    assert out == (
        f"version_is_newest_revision_number: {block.pk}: "
        "has version 7, but its newest revision is 1\n"
    )
    assert err == "26 rules checked; breaches: 1.\n"


def test_check_is_limited_to_organization(alice, mallory, capsys):
    theirs = make_block(mallory)
    Block.objects.filter(pk=theirs.pk).update(version=7)

    call_command("check_memory", "--organization", "Acme")
    with pytest.raises(SystemExit):
        call_command("check_memory", "--organization", "Elsewhere")

    assert capsys.readouterr().out.count("\n") == 1


def test_unknown_organization_is_rejected(alice):
    with pytest.raises(CommandError, match=r"No organization is called 'Acmee'\."):
        call_command("check_memory", "--organization", "Acmee")
