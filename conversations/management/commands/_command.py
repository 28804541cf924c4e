"""The base class of all commands."""

import os
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from conversations.domain.errors import DomainError
from conversations.tenancy import acting_for_all


class OperatorCommand(BaseCommand):
    """Print the result to standard output, for pipes, and everything else to standard error."""

    @acting_for_all()
    def execute(self, *args: Any, **options: Any) -> str | None:
        """Run the command for all organizations.

        Expected failures are one line and not a traceback.
        """
        try:
            return super().execute(*args, **options)
        except DomainError as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            self.remark("Interrupted.")
            raise SystemExit(130) from None
        except BrokenPipeError:
            # The reader, such as `head`, has ended. Python's flush at exit must not fail too.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise SystemExit(1) from None

    def remark(self, text: str) -> None:
        """Write a line to standard error."""
        self.stderr.write(text, str)  # `str` is the style: Django's default is red.

    def result(self, line: str) -> None:
        """Write a line to standard output without breaking a progress bar."""
        with tqdm.external_write_mode():
            self.stdout.write(line)

    def print_diff(self, text: str) -> None:
        """Write a unified diff, in color on a terminal."""
        for line in text.splitlines():
            if line.startswith(("+++", "---")):
                line = self.style.MIGRATE_HEADING(line)
            elif line.startswith("@@"):
                line = self.style.HTTP_INFO(line)
            elif line.startswith("+"):
                line = self.style.SUCCESS(line)
            elif line.startswith("-"):
                line = self.style.ERROR(line)
            self.result(line)
