from django.core.management.base import BaseCommand, CommandError

from conversations.domain.errors import DomainError


class OperatorCommand(BaseCommand):
    """Standard output carries the result, so that it can be piped; remarks go beside it."""

    def execute(self, *args, **options):
        try:
            return super().execute(*args, **options)
        except DomainError as error:
            raise CommandError(str(error)) from error

    def remark(self, text: str) -> None:
        # Django writes all of standard error in red; a remark is no alarm.
        self.stderr.write(text, str)
