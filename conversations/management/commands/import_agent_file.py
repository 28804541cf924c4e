from pathlib import Path

from django.core.management.base import CommandError

from conversations.domain.actor import Actor, Source
from conversations.models import User
from conversations.transfer.agent_files.parse import check_size, parse_agent_file
from conversations.transfer.agent_files.store import ImportOptions, import_agent_file

from ._arguments import find_organization
from ._command import OperatorCommand


class Command(OperatorCommand):
    help = (
        "Make the agents of an agent file, with new ids: blocks, tools, messages and, if it has "
        "them, conversations with their isolated blocks. Prints the new ids, one a line; what has "
        "no place here is told beside it."
    )

    def add_arguments(self, parser):
        parser.add_argument("file", metavar="FILE", help="an agent file (.af), of any version")
        parser.add_argument("--organization", required=True, metavar="NAME", help="where to")
        parser.add_argument("--username", metavar="NAME", help="recorded as who did it")
        parser.add_argument("--name", help="the agent's name, instead of the file's")
        parser.add_argument("--model", metavar="HANDLE", help="instead of the file's")
        parser.add_argument("--strip-messages", action="store_true", help="leave messages out")
        parser.add_argument(
            "--dry-run", action="store_true", help="read and check the file, write nothing"
        )

    def handle(self, *, file, organization, username, name, model, strip_messages, dry_run, **_):
        organization = find_organization(organization)
        user = None
        if username:
            user = User.objects.filter(organization=organization, username=username).first()
            if user is None:
                raise CommandError(f"{organization.name!r} has no user called {username!r}.")
        parsed = parse_agent_file(self._read(Path(file)))
        for warning in parsed.warnings:
            self.remark(warning)
        if dry_run:
            names = ", ".join(repr(agent.fields["name"]) for agent in parsed.agents)
            self.remark(f"The file is sound and has {names}; a dry run, nothing was written.")
            return
        options = ImportOptions(name=name, model=model, with_messages=not strip_messages)
        by = Actor(user, Source.IMPORT)
        for agent in import_agent_file(organization, parsed, by=by, options=options):
            self.result(agent.pk)

    def _read(self, path: Path) -> bytes:
        try:
            check_size(path.stat().st_size)
            return path.read_bytes()
        except OSError as error:
            raise CommandError(f"Can't read {str(path)!r}: {error.strerror}.") from None
