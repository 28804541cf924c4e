"""Rows for tests: defaults by keyword, everything through the domain's own verbs."""

from itertools import count

from conversations.domain.actor import Actor, Source
from conversations.domain.conversations import accounts, agents, conversations
from conversations.domain.conversations.messages import append_messages, text_message
from conversations.domain.memory import blocks
from conversations.models import Agent, Block, Conversation, Message, Organization, Run, User

numbers = count(1)


def make_organization(name: str | None = None) -> Organization:
    return accounts.create_organization(name or f"Organization {next(numbers)}")


def make_user(organization: Organization | None = None, username: str | None = None) -> User:
    return accounts.create_user(
        organization or make_organization(), username or f"user{next(numbers)}"
    )


def actor(user: User | None = None, source: Source = Source.API) -> Actor:
    return Actor(user, source)


def make_agent(
    user: User | None = None, *, labels: list[str] | None = None, **fields: object
) -> Agent:
    """An agent whose block `human` says "about human", and so on for each label."""
    user = user or make_user()
    memory = [{"label": label, "value": f"about {label}"} for label in labels or []]
    defaults = {"model": "openai/gpt-4o-mini", "memory_blocks": memory}
    return agents.create_agent(user.organization, by=actor(user), **(defaults | fields))


def make_block(user: User | None = None, **fields: object) -> Block:
    user = user or make_user()
    fields.setdefault("label", "human")
    return blocks.create_block(user.organization, by=actor(user), **fields)


def make_conversation(
    agent: Agent, *, isolated: list[str] | None = None, **fields: object
) -> Conversation:
    return conversations.create_conversation(
        agent, by=actor(agent.created_by), isolated_labels=isolated or [], **fields
    )


def make_messages(conversation: Conversation, *texts: str) -> list[Message]:
    """Append messages that take turns: the first is the user's, the next the assistant's."""
    roles = [Message.Role.USER, Message.Role.ASSISTANT]
    return append_messages(
        conversation,
        [text_message(roles[i % 2], text) for i, text in enumerate(texts)],
        by=actor(conversation.created_by),
    )


def make_run(conversation: Conversation, **fields: object) -> Run:
    return Run.objects.create(
        organization_id=conversation.organization_id,
        agent_id=conversation.agent_id,
        conversation=conversation,
        **fields,
    )
