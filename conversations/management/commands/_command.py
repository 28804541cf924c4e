import os
import sys

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from conversations.domain.errors import DomainError


class OperatorCommand(BaseCommand):
    """Standard output carries the result, so that it can be piped; remarks go beside it."""

    def execute(self, *args, **options):
        try:
            return super().execute(*args, **options)
        except DomainError as error:
            raise CommandError(str(error)) from error
        except BrokenPipeError:
            # `| head` has read enough. Python would complain again when it flushes at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise SystemExit(1) from None

    def remark(self, text: str) -> None:
        # Django writes all of standard error in red; a remark is no alarm.
        self.stderr.write(text, str)

    def print_diff(self, text: str) -> None:
        """Write a unified diff: in colours on a terminal, plain in a pipe."""
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

    def result(self, line: str) -> None:
        """Write a line of the result while a progress bar may be on the screen."""
        with tqdm.external_write_mode():
            self.stdout.write(line)
