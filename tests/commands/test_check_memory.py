import pytest
from django.core.management import CommandError, call_command

from conversations.models import Block

from ..factories import make_block


def test_the_demo_is_clean(db, capsys):
    call_command("seed_demo")
    capsys.readouterr()

    call_command("check_memory")

    out, err = capsys.readouterr()
    assert out == ""
    assert err == "26 rules checked; breaches: 0.\n"


def test_each_breach_is_a_line_and_the_exit_status_says_so(alice, capsys):
    block = make_block(alice)
    Block.objects.filter(pk=block.pk).update(version=7)

    with pytest.raises(SystemExit) as ended:
        call_command("check_memory")

    out, err = capsys.readouterr()
    assert ended.value.code == 1
    assert out == (
        f"version_is_the_newest_revisions_number: {block.pk}: "
        "is at version 7; its newest revision is 1\n"
    )
    assert err == "26 rules checked; breaches: 1.\n"


def test_one_organization_can_be_checked_alone(alice, mallory, capsys):
    theirs = make_block(mallory)
    Block.objects.filter(pk=theirs.pk).update(version=7)

    call_command("check_memory", "--organization", "Acme")
    with pytest.raises(SystemExit):
        call_command("check_memory", "--organization", "Elsewhere")

    assert capsys.readouterr().out.count("\n") == 1


def test_an_unknown_organization_is_an_error(alice):
    with pytest.raises(CommandError, match=r"No organization is called 'Acmee'\."):
        call_command("check_memory", "--organization", "Acmee")
