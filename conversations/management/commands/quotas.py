"""Show and change the quotas of an organization."""

from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from conversations.domain.actor import SERVER
from conversations.domain.conversations.accounts import update_organization
from conversations.domain.quotas import COUNTED, usage
from conversations.models import Quota

from ._arguments import find_organization
from ._command import OperatorCommand

RETENTION = "conversation_retention_days"
NAMES = (*Quota.values, RETENTION)


def assignment(text: str) -> tuple[str, int | None]:
    """Parse `name=number` or `name=default`."""
    name, _, value = text.partition("=")
    if name not in NAMES:
        raise ArgumentTypeError(f"expected one of {', '.join(NAMES)} and `=`, got {text!r}")
    if value == "default":
        return name, None
    if value.isascii() and value.isdigit():
        return name, int(value)
    raise ArgumentTypeError(f"expected a whole number or `default` after {name}=, got {text!r}")


class Command(OperatorCommand):
    help = (
        "Print the quotas of an organization with how much of them is used, and how long it keeps "
        "conversations; change what is given. The default of a quota is the setting of its name "
        "in capitals."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("organization", metavar="NAME", help="name of the organization")
        parser.add_argument(
            "changes",
            nargs="*",
            type=assignment,
            metavar="QUOTA=NUMBER",
            help=f"{', '.join(NAMES)}; `=default` restores the default",
        )

    def handle(
        self, *, organization: str, changes: list[tuple[str, int | None]], **options: Any
    ) -> None:
        found = find_organization(organization)
        if changes:
            fields: Any = dict(changes)
            found = update_organization(found, by=SERVER, **fields)
        for quota in Quota:
            used = f"{usage(found.pk, quota):,}" if quota in COUNTED else ""
            self._print(quota, found.quota(quota), used, getattr(found, quota) is None)
        days = found.conversation_retention_days
        self._print(RETENTION, days, "", days is None)

    def _print(self, name: str, limit: int | None, used: str, is_default: bool) -> None:
        shown = "never" if limit is None else f"{limit:,}"
        origin = "default" if is_default else ""
        self.stdout.write(f"{name:<28}{shown:>16}{used:>16}  {origin}".rstrip())
