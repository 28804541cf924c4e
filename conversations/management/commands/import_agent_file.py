"""Import an agent file."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from conversations.domain.actor import Actor, Source
from conversations.models import Member
from conversations.transfer.agent_files.parse import check_size, parse_agent_file
from conversations.transfer.agent_files.store import ImportOptions, import_agent_file

from ._arguments import find_organization
from ._command import OperatorCommand


class Command(OperatorCommand):
    help = (
        "Create the agents of an agent file, with new ids: blocks, tools, messages and, if the "
        "file contains them, conversations with their isolated blocks. Prints the new ids, one "
        "per line. Warnings say what is not supported and left out."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        add = parser.add_argument
        add("file", metavar="FILE", help="an agent file (.af) of any version")
        add("--organization", required=True, metavar="NAME", help="the organization to import into")
        add("--member", metavar="NAME", help="the member to record as the author")
        add("--name", help="the agent's name, in place of the file's")
        add("--model", metavar="HANDLE", help="the model, in place of the file's")
        add("--strip-messages", action="store_true", help="leave out messages")
        add("--dry-run", action="store_true", help="check the file and write nothing")

    def handle(self, *, file: str, organization: str, member: str | None, **options: Any) -> None:
        tenant = find_organization(organization)
        author = Member.objects.filter(organization=tenant, name=member).first()
        if member and author is None:
            raise CommandError(f"{organization!r} has no member called {member!r}.")
        parsed = parse_agent_file(self._read(Path(file)))
        for warning in parsed.warnings:
            self.remark(warning)
        if options["dry_run"]:
            names = ", ".join(repr(agent.fields["name"]) for agent in parsed.agents)
            self.remark(f"The file is valid. Agents: {names}. Dry run: nothing was written.")
            return
        import_options = ImportOptions(
            name=options["name"],
            model=options["model"],
            with_messages=not options["strip_messages"],
        )
        by = Actor(author, Source.IMPORT)
        for agent in import_agent_file(tenant, parsed, by=by, options=import_options):
            self.result(agent.pk)

    def _read(self, path: Path) -> bytes:
        try:
            check_size(path.stat().st_size)
            return path.read_bytes()
        except OSError as error:
            raise CommandError(f"Can't read {str(path)!r}: {error.strerror}.") from None
