"""Export an agent as an agent file."""

import json
from argparse import ArgumentParser
from typing import Any

from conversations.models import Agent, Conversation
from conversations.transfer.agent_files.write import export_agent

from ._arguments import find_row
from ._command import OperatorCommand


class Command(OperatorCommand):
    help = (
        "Print an agent file: the agent with its blocks, tools and conversations, and their "
        "isolated blocks and messages. `import_agent_file` imports it; a Letta V1 server does "
        "too, without the conversations."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("agent", metavar="AGENT", help="the agent's id")
        parser.add_argument("--conversation", metavar="ID", help="export only this conversation")
        parser.add_argument(
            "--scrub-messages", action="store_true", help="leave out conversations and messages"
        )
        parser.add_argument(
            "--revisions", action="store_true", help="include all revisions of the blocks"
        )

    def handle(
        self,
        *,
        agent: str,
        conversation: str | None,
        scrub_messages: bool,
        revisions: bool,
        **options: Any,
    ) -> None:
        found = find_row(Agent.objects.live(), "agent", agent)
        only = None
        if conversation:
            only = find_row(Conversation.objects.live().filter(agent=found), "conv", conversation)
        document = export_agent(
            found,
            conversation=only,
            with_messages=not scrub_messages,
            with_revisions=revisions,
        )
        self.result(json.dumps(document, indent=2, ensure_ascii=False))
