from django.core.management.base import CommandError
from tqdm import tqdm

from conversations.domain.memory.prompt import recompile_all
from conversations.domain.memory.staleness import stale_conversations
from conversations.ids import is_id
from conversations.models import Agent, Conversation

from ._arguments import find_organization
from ._command import OperatorCommand


class Command(OperatorCommand):
    help = (
        "Store a new system message in every conversation whose stored one no longer says what "
        "its memory does, and print the ids of these conversations. Conversations do so by "
        "themselves at their next turn; this is for readers of stored messages."
    )

    def add_arguments(self, parser):
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("--agent", metavar="ID", help="conversations of this agent")
        which.add_argument("--all", action="store_true", help="conversations of every agent")
        parser.add_argument(
            "--organization", metavar="NAME", help="only conversations of this organization"
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="print the ids, and write nothing"
        )

    def handle(self, *, agent, organization, dry_run, **options):
        conversations = Conversation.objects.live()
        if organization:
            conversations = conversations.in_organization(find_organization(organization))
        if agent:
            conversations = conversations.filter(agent=self._agent(agent))
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

    def _agent(self, agent_id: str) -> Agent:
        if not is_id("agent", agent_id):
            raise CommandError(f"Expected an id like agent-<uuid>, got {agent_id!r}.")
        agent = Agent.objects.live().filter(pk=agent_id).first()
        if agent is None:
            raise CommandError(f"No agent has the id {agent_id!r}.")
        return agent
