"""Parse arguments and find the rows they name, or say what was expected."""

from argparse import ArgumentTypeError
from collections.abc import Callable
from typing import Any, TypeVar

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError
from django.db.models import Field, Model, QuerySet

from conversations.ids import is_id
from conversations.models import Organization

Row = TypeVar("Row", bound=Model)

# A hundred years, which date arithmetic can handle.
MAX_DAYS = 36_500


def positive(text: str) -> int:
    """Parse a whole number from 1 that fits in an integer column."""
    if text.isascii() and text.isdigit() and 0 < int(text) < 2**31:
        return int(text)
    raise ArgumentTypeError(f"expected a whole number from 1, got {text!r}")


def address(text: str) -> tuple[str, int]:
    """Parse `HOST:PORT`."""
    host, _, port = text.rpartition(":")
    if host and port.isascii() and port.isdigit() and int(port) < 2**16:
        return host.strip("[]"), int(port)
    raise ArgumentTypeError(f"expected HOST:PORT, got {text!r}")


def whole_number(minimum: int, maximum: int, unit: str = "") -> Callable[[str], int]:
    """Return a parser of a whole number within these limits."""

    def convert(text: str) -> int:
        if text.isascii() and text.isdigit() and minimum <= int(text) <= maximum:
            return int(text)
        raise ArgumentTypeError(
            f"expected a whole number{unit} from {minimum} to {maximum}, got {text!r}"
        )

    return convert


def days(*, at_least: int) -> Callable[[str], int]:
    """Return a parser of a number of days."""
    return whole_number(at_least, MAX_DAYS, " of days")


def text_for(field: "Field[Any, Any]") -> Callable[[str], str]:
    """Return a parser of text that this model field accepts."""

    def convert(text: str) -> str:
        try:
            cleaned: str = field.clean(text, None)
        except ValidationError as error:
            raise ArgumentTypeError(f"{' '.join(error.messages)} Got {text!r}.") from None
        return cleaned

    return convert


def find_organization(name: str) -> Organization:
    """Return the organization of this name, or raise CommandError."""
    try:
        return Organization.objects.get(name=name)
    except Organization.DoesNotExist:
        raise CommandError(f"No organization is called {name!r}.") from None


def find_row(rows: QuerySet[Row], prefix: str, row_id: str) -> Row:
    """Return the row with this id, which begins with `prefix`, or raise CommandError."""
    if not is_id(prefix, row_id):
        raise CommandError(f"Expected an id like {prefix}-<uuid>, got {row_id!r}.")
    row = rows.filter(pk=row_id).first()
    if row is None:
        raise CommandError(f"No {rows.model._meta.verbose_name} has the id {row_id!r}.")
    return row
