import os
import secrets

from django.core.management.base import CommandError
from django.db import transaction

from conversations.demo.seed import ORGANIZATION, USERNAME
from conversations.domain.conversations.accounts import issue_key
from conversations.models import ApiKey, User

from ._command import OperatorCommand

ADMIN = "admin"


class Command(OperatorCommand):
    help = (
        "Print where the admin is. On a database without a superuser, make one and an API key of "
        "the demo organization first, and print both this once."
    )

    @transaction.atomic
    def handle(self, **options):
        # The Makefile serves on the same port.
        base_url = f"http://127.0.0.1:{os.environ.get('PORT', '8283')}"
        lines = [f"Admin     {base_url}/admin/"]
        if User.objects.filter(is_superuser=True).exists():
            self.remark(
                "The credentials were shown on the first run. New ones:\n"
                f"  manage.py changepassword {ADMIN}\n"
                f"  manage.py create_api_key --organization {ORGANIZATION} --username {USERNAME} "
                "--scope write"
            )
        else:
            lines += self._make_credentials(base_url)
        self.stdout.write("\n".join(lines))

    def _make_credentials(self, base_url: str) -> list[str]:
        if User.objects.filter(username=ADMIN).exists():
            raise CommandError(
                f"User {ADMIN!r} exists and is no superuser. Make a superuser of another name: "
                "manage.py createsuperuser"
            )
        password = secrets.token_urlsafe(12)
        User.objects.create_superuser(ADMIN, password=password)
        lines = [f"User      {ADMIN}", f"Password  {password}", f"API       {base_url}"]
        if demo := User.objects.filter(username=USERNAME, organization__name=ORGANIZATION).first():
            _, secret = issue_key(demo, scope=ApiKey.Scope.WRITE, name="first run")
            lines.append(f"API key   {secret}")
        return [*lines, "Keep the secrets now: they are shown only this once."]
