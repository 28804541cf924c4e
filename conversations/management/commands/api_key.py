"""List, rotate and revoke API keys."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from conversations.domain.conversations.accounts import (
    MAX_ROTATION_OVERLAP,
    ROTATION_OVERLAP,
    revoke_key,
    rotate_key,
)
from conversations.models import ApiKey

from ._arguments import find_organization, find_row, whole_number
from ._command import OperatorCommand

HOUR = timedelta(hours=1)


class Command(OperatorCommand):
    help = "List the API keys of an organization, rotate one, or revoke one."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        listing = verbs.add_parser("list", help="print the keys, newest first")
        listing.add_argument("--organization", required=True, metavar="NAME")
        rotate = verbs.add_parser("rotate", help="print a new key; the old one soon expires")
        rotate.add_argument("key", metavar="ID")
        rotate.add_argument(
            "--overlap-hours",
            type=whole_number(0, MAX_ROTATION_OVERLAP // HOUR),
            default=ROTATION_OVERLAP // HOUR,
            dest="overlap",
            metavar="N",
            help="how long the old key stays valid (default: %(default)s)",
        )
        revoke = verbs.add_parser("revoke", help="reject requests with the key from now on")
        revoke.add_argument("key", metavar="ID")

    def handle(self, *, verb: str, **options: Any) -> None:
        if verb == "list":
            self._list(options["organization"])
        elif verb == "rotate":
            self._rotate(find_row(ApiKey.objects.all(), "key", options["key"]), options["overlap"])
        else:
            key = revoke_key(find_row(ApiKey.objects.all(), "key", options["key"]))
            self.remark(f"{key.prefix}… is revoked.")

    def _rotate(self, key: ApiKey, hours: int) -> None:
        successor, secret = rotate_key(key, overlap=hours * HOUR)
        self.stdout.write(secret)
        self.remark(f"{key.prefix}… stays valid for {hours} h; {successor.pk} replaces it.")

    def _list(self, organization: str) -> None:
        keys = ApiKey.objects.in_organization(find_organization(organization))
        for key in keys.select_related("member__user"):
            expiry = f"{key.expires_at:%Y-%m-%d}" if key.expires_at else "never expires"
            columns = [key.pk, key.prefix, key.scope, key.state, expiry, key.member, key.name]
            self.result("\t".join(map(str, columns)))
