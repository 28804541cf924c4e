"""Create rows for tests through the domain's functions; keywords override defaults."""

from collections.abc import Iterable
from itertools import count

from django.contrib.auth import get_user_model

from conversations.domain.actor import Actor, Source
from conversations.domain.archives import archives, passages
from conversations.domain.archives.archives import archive_of
from conversations.domain.conversations import accounts, agents, conversations, identities
from conversations.domain.conversations.messages import append_messages, text_message
from conversations.domain.folders import files, folders
from conversations.domain.memory import blocks
from conversations.domain.tools import mcp_servers
from conversations.domain.tools.catalog import named_tools
from conversations.models import (
    Agent,
    Archive,
    Block,
    Conversation,
    File,
    Folder,
    Identity,
    McpServer,
    Member,
    Message,
    Organization,
    Passage,
    Run,
    Tool,
)

numbers = count(1)


def make_organization(name: str | None = None) -> Organization:
    return accounts.create_organization(name or f"Organization {next(numbers)}")


def make_member(organization: Organization | None = None, name: str | None = None) -> Member:
    return accounts.create_member(
        organization or make_organization(), name or f"member{next(numbers)}"
    )


def link_user(member: Member, **fields: object) -> Member:
    """Give a member a Django user of the same name."""
    member.user = get_user_model().objects.create_user(member.name, **fields)
    member.save()
    return member


def actor(member: Member | None = None, source: Source = Source.API) -> Actor:
    return Actor(member, source)


def make_agent(
    member: Member | None = None,
    *,
    labels: list[str] | None = None,
    tools: Iterable[str] = (),
    **fields: object,
) -> Agent:
    """Create an agent with a block "about {label}" for each label, and tools by name."""
    member = member or make_member()
    fields["tools"] = named_tools(member.organization, tools)
    memory = [{"label": label, "value": f"about {label}"} for label in labels or []]
    defaults = {"model": "openai/gpt-4o-mini", "memory_blocks": memory}
    return agents.create_agent(member.organization, by=actor(member), **(defaults | fields))


def make_tool(member: Member, name: str, **fields: object) -> Tool:
    """Create a custom tool with source that returns its argument `text`."""
    source = f'def {name}(text: str) -> str:\n    """Echo."""\n    return text\n'
    parameters = {"type": "object", "properties": {"text": {"type": "string"}}}
    schema = {"name": name, "description": "Echo.", "parameters": parameters}
    fields = {"source_code": source, "json_schema": schema} | fields
    return Tool.objects.create(organization=member.organization, name=name, **fields)


def make_mcp_server(member: Member, **fields: object) -> McpServer:
    """Create an MCP server with the tool `{name}_tool`; nothing listens at its URL."""
    defaults = {"name": "harbor", "kind": "streamable_http", "url": "https://mcp.invalid/mcp"}
    by = actor(member)
    server = mcp_servers.create_mcp_server(member.organization, by=by, **(defaults | fields))
    tool = mcp_servers.FoundTool(f"{server.name}_tool", "Do.", {"type": "object"})
    mcp_servers.store_tools(server, [tool], by=by)
    return server


def make_block(member: Member | None = None, **fields: object) -> Block:
    member = member or make_member()
    fields.setdefault("label", "human")
    return blocks.create_block(member.organization, by=actor(member), **fields)


def make_conversation(
    agent: Agent, *, isolated: list[str] | None = None, **fields: object
) -> Conversation:
    return conversations.create_conversation(
        agent, by=actor(agent.created_by), isolated_labels=isolated or [], **fields
    )


def make_messages(conversation: Conversation, *texts: str) -> list[Message]:
    """Append messages, alternating between user and assistant."""
    roles = [Message.Role.USER, Message.Role.ASSISTANT]
    return append_messages(
        conversation,
        [text_message(roles[i % 2], text) for i, text in enumerate(texts)],
        by=actor(conversation.created_by),
    )


def make_archive(member: Member | None = None, **fields: object) -> Archive:
    member = member or make_member()
    fields.setdefault("name", "Library")
    return archives.create_archive(member.organization, by=actor(member), **fields)


def make_passage(
    owner: Agent | Archive, text: str = "The harbor freezes in March.", **fields: object
) -> Passage:
    """Insert a passage into an archive, or into an agent's."""
    by = actor(owner.created_by)
    archive = archive_of(owner, by=by) if isinstance(owner, Agent) else owner
    [passage] = passages.insert_passages(archive, [{"text": text, **fields}], by=by)
    return passage


def make_folder(member: Member | None = None, **fields: object) -> Folder:
    member = member or make_member()
    fields.setdefault("name", f"Folder {next(numbers)}")
    return folders.create_folder(member.organization, by=actor(member), **fields)


def make_file(folder: Folder, text: str = "Alpha beta gamma", name: str = "a.txt") -> File:
    """Upload a text and read it as a worker does."""
    data = text.encode()
    file = files.upload_file(folder, name, data, by=actor(folder.created_by))
    while upload := files.claim_upload():
        files.store_text(upload.id, upload.data.decode())
    return File.objects.get(pk=file.pk)


def make_identity(member: Member, **fields: object) -> Identity:
    number = next(numbers)
    defaults = {
        "identifier_key": f"key {number}",
        "name": f"User {number}",
        "identity_type": "user",
    }
    by = actor(member)
    return identities.create_identity(member.organization, by=by, **(defaults | fields))


def make_run(conversation: Conversation, **fields: object) -> Run:
    return Run.objects.create(
        organization_id=conversation.organization_id,
        agent_id=conversation.agent_id,
        conversation=conversation,
        **fields,
    )
