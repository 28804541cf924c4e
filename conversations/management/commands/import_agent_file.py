from pathlib import Path

from django.core.management.base import CommandError

from conversations.domain.actor import Actor, Source
from conversations.models import Member
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
        parser.add_argument("--member", metavar="NAME", help="the member to record as the author")
        parser.add_argument("--name", help="the agent's name, instead of the file's")
        parser.add_argument("--model", metavar="HANDLE", help="instead of the file's")
        parser.add_argument("--strip-messages", action="store_true", help="leave messages out")
        parser.add_argument(
            "--dry-run", action="store_true", help="read and check the file, write nothing"
        )

    def handle(self, *, file, organization, member, name, model, strip_messages, dry_run, **_):
        organization = find_organization(organization)
        author = Member.objects.filter(organization=organization, name=member).first()
        if member and author is None:
            raise CommandError(f"{organization.name!r} has no member called {member!r}.")
        parsed = parse_agent_file(self._read(Path(file)))
        for warning in parsed.warnings:
            self.remark(warning)
        if dry_run:
            names = ", ".join(repr(agent.fields["name"]) for agent in parsed.agents)
            self.remark(f"The file is sound and has {names}; a dry run, nothing was written.")
            return
        options = ImportOptions(name=name, model=model, with_messages=not strip_messages)
        by = Actor(author, Source.IMPORT)
        for agent in import_agent_file(organization, parsed, by=by, options=options):
            self.result(agent.pk)

    def _read(self, path: Path) -> bytes:
        try:
            check_size(path.stat().st_size)
            return path.read_bytes()
        except OSError as error:
            raise CommandError(f"Can't read {str(path)!r}: {error.strerror}.") from None
