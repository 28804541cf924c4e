"""What words of the command line mean; a wrong one is told what was expected.

Django takes no command from a file whose name begins with an underscore.
"""

from argparse import ArgumentTypeError
from collections.abc import Callable

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError
from django.db.models import Field

from conversations.models import Organization

# A hundred years: what a person may mean, and what date arithmetic can do.
MAX_DAYS = 36_500


def positive(text: str) -> int:
    if text.isascii() and text.isdigit() and 0 < int(text) < 2**31:
        return int(text)
    raise ArgumentTypeError(f"expected a whole number from 1, got {text!r}")


def days(*, at_least: int) -> Callable[[str], int]:
    def convert(text: str) -> int:
        if text.isascii() and text.isdigit() and at_least <= int(text) <= MAX_DAYS:
            return int(text)
        raise ArgumentTypeError(
            f"expected a whole number of days from {at_least} to {MAX_DAYS}, got {text!r}"
        )

    return convert


def text_for(field: Field) -> Callable[[str], str]:
    """What this field of a model would take: not too long, none of the wrong characters."""

    def convert(text: str) -> str:
        try:
            return field.clean(text, None)
        except ValidationError as error:
            raise ArgumentTypeError(f"{' '.join(error.messages)} Got {text!r}.") from None

    return convert


def find_organization(name: str) -> Organization:
    try:
        return Organization.objects.get(name=name)
    except Organization.DoesNotExist:
        raise CommandError(f"No organization is called {name!r}.") from None
