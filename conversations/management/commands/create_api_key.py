from datetime import timedelta

from django.core.management.base import CommandError
from django.db import transaction
from django.utils import timezone

from conversations.domain.conversations.accounts import create_organization, create_user, issue_key
from conversations.models import ApiKey, Organization, User

from ._arguments import days, text_for
from ._command import OperatorCommand


class Command(OperatorCommand):
    help = (
        "Create an API key and print it, alone, on standard output. It is shown this once: only "
        "its digest is stored."
    )

    def add_arguments(self, parser):
        parser.add_argument(
            "--organization",
            required=True,
            metavar="NAME",
            type=text_for(Organization._meta.get_field("name")),
            help="the organization whose data the key reaches",
        )
        parser.add_argument(
            "--username",
            required=True,
            metavar="NAME",
            type=text_for(User._meta.get_field("username")),
            help="who the key acts as; recorded on everything it changes",
        )
        parser.add_argument(
            "--scope",
            required=True,
            choices=ApiKey.Scope.values,
            help="; ".join(ApiKey.Scope.labels),
        )
        parser.add_argument(
            "--name",
            default="",
            metavar="LABEL",
            help="what the key is for, to tell it from others in lists",
        )
        parser.add_argument(
            "--expires-in-days",
            type=days(at_least=1),
            metavar="N",
            help="stop working N days from now (default: never)",
        )
        parser.add_argument(
            "--create",
            action="store_true",
            help="make the organization and the user when they do not exist",
        )

    @transaction.atomic
    def handle(self, *, organization, username, scope, name, expires_in_days, create, **options):
        user = self._user(self._organization(organization, create), username, create)
        expires_at = None
        if expires_in_days is not None:
            expires_at = timezone.now() + timedelta(days=expires_in_days)
        _, secret = issue_key(user, scope=scope, name=name, expires_at=expires_at)
        self.stdout.write(secret)

    def _organization(self, name: str, create: bool) -> Organization:
        found = Organization.objects.filter(name=name).first()
        if found or create:
            return found or create_organization(name)
        raise CommandError(f"No organization is called {name!r}; --create makes it.")

    def _user(self, organization: Organization, username: str, create: bool) -> User:
        user = User.objects.filter(username=username).select_related("organization").first()
        if user is None and create:
            return create_user(organization, username)
        if user is None:
            raise CommandError(f"No user is called {username!r}; --create makes one.")
        if user.organization != organization:
            home = repr(user.organization.name) if user.organization else "no organization"
            raise CommandError(
                f"User {username!r} belongs to {home}, not to {organization.name!r}; a name is one "
                "user's on the whole server."
            )
        return user
