"""Export an agent as an agent file."""

import json
from argparse import ArgumentParser
from typing import Any

from conversations.domain.actor import SERVER
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
        add = parser.add_argument
        add("agent", metavar="AGENT", help="the agent's id")
        add("--conversation", metavar="ID", help="export only this conversation")
        add("--scrub-messages", action="store_true", help="leave out conversations and messages")
        add("--revisions", action="store_true", help="include all revisions of the blocks")

    def handle(self, *, agent: str, conversation: str | None, **options: Any) -> None:
        found = find_row(Agent.objects.live(), "agent", agent)
        only = None
        if conversation:
            only = find_row(Conversation.objects.live().filter(agent=found), "conv", conversation)
        document = export_agent(
            found,
            by=SERVER,
            conversation=only,
            with_messages=not options["scrub_messages"],
            with_revisions=options["revisions"],
        )
        self.result(json.dumps(document, indent=2, ensure_ascii=False))
