"""Recompile stale prompts."""

from argparse import ArgumentParser
from typing import Any

from tqdm import tqdm

from conversations.domain.memory.prompt import recompile_all, stale_conversations
from conversations.models import Agent, Conversation

from ._arguments import find_organization, find_row
from ._command import OperatorCommand


class Command(OperatorCommand):
    help = (
        "Recompile the stored system message of every conversation whose memory has changed since, "
        "and print the ids of these conversations. A conversation does this itself at its next "
        "turn; this command is for programs that read stored messages."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        add = parser.add_argument
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("--agent", metavar="ID", help="conversations of this agent")
        which.add_argument("--all", action="store_true", help="conversations of every agent")
        add("--organization", metavar="NAME", help="only conversations of this organization")
        add("--dry-run", action="store_true", help="print the ids and write nothing")

    def handle(
        self, *, agent: str | None, organization: str | None, dry_run: bool, **options: Any
    ) -> None:
        conversations = Conversation.objects.live()
        if organization:
            conversations = conversations.in_organization(find_organization(organization))
        if agent:
            found = find_row(Agent.objects.live(), "agent", agent)
            conversations = conversations.filter(agent=found)
        count = 0
        with tqdm(unit=" conversations", disable=None, leave=False) as progress:
            for batch in stale_conversations(conversations):
                if not dry_run:
                    recompile_all(conversation.pk for conversation in batch)
                for conversation in batch:
                    self.result(conversation.pk)
                count += len(batch)
                progress.update(len(batch))
        self.remark(f"{count} would be recompiled." if dry_run else f"{count} recompiled.")
