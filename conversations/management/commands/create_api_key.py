"""Create an API key."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import CommandError
from django.db import transaction
from django.utils import timezone

from conversations.domain.conversations.accounts import (
    Expiry,
    create_member,
    create_organization,
    issue_key,
)
from conversations.models import Member, Organization, Scope

from ._arguments import days, text_for
from ._command import OperatorCommand


class Command(OperatorCommand):
    help = (
        "Create an API key and print it to standard output. It is shown only this once: the "
        "database stores its digest."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        add = parser.add_argument
        add(
            "--organization",
            required=True,
            metavar="NAME",
            type=text_for(Organization._meta.get_field("name")),
            help="the organization whose data the key reaches",
        )
        add(
            "--member",
            required=True,
            metavar="NAME",
            type=text_for(Member._meta.get_field("name")),
            help="the member that the key acts as; recorded on everything it changes",
        )
        add(
            "--scope",
            default=Scope.WRITE,
            choices=Scope.values,
            help=f"{'; '.join(Scope.labels)} (default: write)",
        )
        add("--name", default="", metavar="LABEL", help="what the key is for, as lists show it")
        expiry = parser.add_mutually_exclusive_group().add_argument
        expiry(
            "--expires-in-days",
            type=days(at_least=1),
            metavar="N",
            help="stop working N days from now (default: API_KEY_LIFETIME, 365)",
        )
        expiry("--no-expiry", action="store_true", help="work until it is revoked")
        add(
            "--create",
            action="store_true",
            help="create the organization and the member if they do not exist",
        )

    @transaction.atomic
    def handle(self, *, organization: str, member: str, create: bool, **options: Any) -> None:
        found = self._member(self._organization(organization, create), member, create)
        expires_at: Expiry = None if options["no_expiry"] else "default"
        if options["expires_in_days"]:
            expires_at = timezone.now() + timedelta(days=options["expires_in_days"])
        scope, name = options["scope"], options["name"]
        _, secret = issue_key(found, scope=scope, name=name, expires_at=expires_at)
        self.stdout.write(secret)

    def _organization(self, name: str, create: bool) -> Organization:
        found = Organization.objects.filter(name=name).first()
        if found or create:
            return found or create_organization(name)
        raise CommandError(f"No organization is called {name!r}; --create creates it.")

    def _member(self, organization: Organization, name: str, create: bool) -> Member:
        found = Member.objects.filter(organization=organization, name=name).first()
        if found or create:
            return found or create_member(organization, name)
        raise CommandError(
            f"{organization.name!r} has no member called {name!r}; --create creates it."
        )
