"""The base class of all commands."""

from io import StringIO

import pytest
from django.core.management import call_command

from conversations.management.commands._command import OperatorCommand


class InterruptedCommand(OperatorCommand):
    def handle(self, **options):
        raise KeyboardInterrupt


def test_interrupt_prints_one_line_and_exits_with_130():
    err = StringIO()

    with pytest.raises(SystemExit) as ended:
        call_command(InterruptedCommand(), stderr=err)

    assert (ended.value.code, err.getvalue()) == (130, "Interrupted.\n")
