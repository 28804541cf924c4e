"""Create the first credentials of a server."""

import os
import secrets
import sys
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import CommandError
from django.db import transaction

from conversations.demo.seed import MEMBER, ORGANIZATION
from conversations.domain.conversations.accounts import issue_key
from conversations.management.commands._command import OperatorCommand
from conversations.models import Member, Scope

ADMIN = "admin"


class Command(OperatorCommand):
    """Create a superuser and an API key on a database without a superuser."""

    help = (
        "Print the address of the console. On a database without a superuser, first create one "
        "and an API key of the demo organization, and print both this once."
    )

    @transaction.atomic
    def handle(self, **options: Any) -> None:
        # The Makefile serves on the same port.
        base_url = f"http://127.0.0.1:{os.environ.get('PORT', '8283')}"
        lines = [f"Admin     {base_url}/admin/"]
        if User.objects.filter(is_superuser=True).exists():
            self.remark(
                "The credentials were shown on the first run. To create new ones:\n"
                f"  {_python()} manage.py changepassword {ADMIN}\n"
                f"  {_python()} manage.py create_api_key --organization {ORGANIZATION} "
                f"--member {MEMBER}"
            )
        else:
            lines += self._create_credentials(base_url)
        self.stdout.write("\n".join(lines))

    def _create_credentials(self, base_url: str) -> list[str]:
        if User.objects.filter(username=ADMIN).exists():
            raise CommandError(
                f"User {ADMIN!r} exists and is not a superuser. Create a superuser of another "
                "name: manage.py createsuperuser"
            )
        password = secrets.token_urlsafe(12)
        User.objects.create_superuser(ADMIN, password=password)
        lines = [f"User      {ADMIN}", f"Password  {password}", f"API       {base_url}"]
        demo = Member.objects.filter(name=MEMBER, organization__name=ORGANIZATION).first()
        if demo:
            _, secret = issue_key(demo, scope=Scope.WRITE, name="first run")
            lines.append(f"API key   {secret}")
        return [*lines, "Keep the secrets now: they are shown only this once."]


def _python() -> str:
    """Return this interpreter as one types it in the current folder."""
    path = Path(sys.executable)
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
