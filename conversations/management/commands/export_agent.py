import json

from django.core.management.base import CommandError

from conversations.ids import is_id
from conversations.models import Agent, Conversation
from conversations.transfer.agent_files.write import export_agent

from ._command import OperatorCommand


class Command(OperatorCommand):
    help = (
        "Print an agent file: the agent, its blocks and tools, and its conversations with their "
        "isolated blocks and messages. `import_agent_file` reads it, and so do V1's readers, who "
        "skip the conversations."
    )

    def add_arguments(self, parser):
        parser.add_argument("agent", metavar="AGENT", help="its id")
        parser.add_argument("--conversation", metavar="ID", help="only this conversation")
        parser.add_argument(
            "--scrub-messages", action="store_true", help="leave conversations and messages out"
        )
        parser.add_argument(
            "--revisions", action="store_true", help="with every text the blocks have had"
        )

    def handle(self, *, agent, conversation, scrub_messages, revisions, **options):
        found = self._find(Agent.objects.live(), "agent", agent)
        thread = None
        if conversation:
            threads = Conversation.objects.live().filter(agent=found)
            thread = self._find(threads, "conv", conversation)
        document = export_agent(
            found,
            conversation=thread,
            with_messages=not scrub_messages,
            with_revisions=revisions,
        )
        self.result(json.dumps(document, indent=2, ensure_ascii=False))

    def _find(self, rows, prefix: str, value: str):
        row = rows.filter(pk=value).first() if is_id(prefix, value) else None
        if row is None:
            raise CommandError(f"No {rows.model._meta.verbose_name} has the id {value!r}.")
        return row
