"""Export an agent as an agent file of the current format, with its conversations beside it."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any, TypeVar

from django.db.models import Model, QuerySet
from django.utils import timezone

from ...domain.actor import Actor
from ...domain.audit import record
from ...domain.snapshots import snapshot
from ...domain.tools.definitions import function_of
from ...models import (
    Agent,
    AuditAction,
    Block,
    BlockRevision,
    Conversation,
    ConversationMessage,
    IsolatedBlock,
    Message,
    Tool,
)
from .folders import exported_folders, exported_links
from .model import (
    EXTENSION_KEY,
    EXTENSION_VERSION,
    AgentDetails,
    BlockDetails,
    ExtendedDocument,
    FileAgent,
    FileBlock,
    FileConversation,
    FileIsolatedBlock,
    FileMessage,
    FileRevision,
    FileTool,
    ForkedFrom,
    LLMConfig,
)

ModelT = TypeVar("ModelT", bound=Model)


class FileIds(dict[str, str]):
    """The ids of rows in the file: `block-0`, `block-1`, … in the order of their first use."""

    def __init__(self) -> None:
        super().__init__()
        self._counts: Counter[str] = Counter()

    def __missing__(self, pk: str) -> str:
        prefix = pk.partition("-")[0]
        self[pk] = f"{prefix}-{self._counts[prefix]}"
        self._counts[prefix] += 1
        return self[pk]


def export_agent(
    agent: Agent,
    *,
    by: Actor,
    conversation: Conversation | None = None,
    with_messages: bool = True,
    with_revisions: bool = False,
) -> dict[str, Any]:
    """Return the file of one agent with its live conversations, or with one of them.

    The agent's own messages, which V1 reads, are those of `conversation`, or else those of its
    default conversation. Without messages the file is a template and has no conversations.
    """
    # Before the snapshot, which is read only.
    details = {"messages": with_messages, "revisions": with_revisions}
    organization = agent.organization_id
    record(AuditAction.EXPORTED, by=by, organization=organization, about=agent, **details)
    with snapshot():
        agent = Agent.objects.get(pk=agent.pk)
        ids = FileIds()
        attached_links = agent.block_links.in_prompt_order().select_related("block")
        attached = [link.block for link in attached_links]
        tools = list(Tool.objects.of_agent(agent))
        conversations = (
            _conversations(agent, conversation) if with_messages else Conversation.objects.none()
        )
        isolations = _grouped(
            IsolatedBlock.objects.filter(conversation__in=conversations)
            .in_order()
            .select_related("block"),
            "conversation_id",
        )
        links = _grouped(
            ConversationMessage.objects.filter(conversation__in=conversations)
            .order_by("position")
            .select_related("message"),
            "conversation_id",
        )
        isolated = [each.block for row in conversations for each in isolations[row.pk]]
        blocks = [*attached, *isolated]
        default = next((row for row in conversations if row.is_default), None)
        own = conversation or default
        own_links = links[own.pk] if own else []
        written = {link.message_id for link in own_links}
        revisions = _grouped(
            BlockRevision.objects.filter(block__in=blocks if with_revisions else []).order_by(
                "number"
            ),
            "block_id",
        )
        sources, files = exported_folders(agent, ids)
        document = ExtendedDocument.model_construct(
            agents=[_agent(agent, attached, tools, own_links, ids)],
            blocks=[FileBlock.from_row(block, id=ids[block.pk]) for block in blocks],
            tools=[_tool(tool, ids) for tool in tools],
            sources=sources,
            files=files,
            metadata={EXTENSION_KEY: EXTENSION_VERSION},
            created_at=timezone.now().isoformat(),
            agent_details=[AgentDetails.from_row(agent, agent_id=ids[agent.pk])],
            block_details=[
                BlockDetails.from_row(
                    block,
                    block_id=ids[block.pk],
                    revisions=[FileRevision.from_row(each) for each in revisions[block.pk]],
                )
                for block in blocks
            ],
            conversations=[
                _conversation(row, links[row.pk], isolations[row.pk], attached, written, ids)
                for row in conversations
            ],
        )
    # Rows are trusted: no validation, and JSON columns are written as they are.
    return document.model_dump(warnings=False)


def _conversations(agent: Agent, conversation: Conversation | None) -> QuerySet[Conversation]:
    """Return the oldest first, so that a fork comes after its origin."""
    live = Conversation.objects.live().filter(agent=agent)
    if conversation is not None:
        live = live.filter(pk=conversation.pk)
    return live.order_by("-is_default", "created_at", "id")


def _grouped(rows: Iterable[ModelT], column: str) -> dict[str, list[ModelT]]:
    found: dict[str, list[ModelT]] = defaultdict(list)
    for row in rows:
        found[getattr(row, column)].append(row)
    return found


def _agent(
    agent: Agent,
    attached: list[Block],
    tools: list[Tool],
    links: list[ConversationMessage],
    ids: FileIds,
) -> FileAgent:
    provider, _, model = agent.model.partition("/")
    return FileAgent.from_row(
        agent,
        id=ids[agent.pk],
        llm_config=LLMConfig(
            model=model,
            model_endpoint_type=provider,
            provider_name=provider,
            context_window=agent.context_window_limit,
            handle=agent.model,
        ),
        # V1 reads the model and its window from `llm_config`; settings are in `AgentDetails`.
        model=None,
        model_settings=None,
        context_window_limit=None,
        block_ids=[ids[block.pk] for block in attached],
        tool_ids=[ids[tool.pk] for tool in tools],
        tools=[],
        # Without the values, which are secrets.
        tool_exec_environment_variables={each.name: "" for each in agent.variables.all()},
        messages=[_message(link.message, ids) for link in links],
        in_context_message_ids=[ids[link.message_id] for link in links if link.in_context],
        **exported_links(agent, ids),
    )


def _tool(tool: Tool, ids: FileIds) -> FileTool:
    function = function_of(tool) if tool.is_built_in else tool.json_schema
    return FileTool.from_row(tool, id=ids[tool.pk], json_schema=function)


def _message(message: Message, ids: FileIds) -> FileMessage:
    is_decision = message.role == Message.Role.APPROVAL and not message.tool_calls
    return FileMessage.from_row(
        message,
        id=ids[message.pk],
        agent_id=ids[message.agent_id],
        tool_calls=message.tool_calls or None,
        content=[] if is_decision else message.content,
        approvals=message.content if is_decision else None,
    )


def _conversation(
    conversation: Conversation,
    links: list[ConversationMessage],
    isolations: list[IsolatedBlock],
    attached: list[Block],
    written: set[str],
    ids: FileIds,
) -> FileConversation:
    """Return a conversation with the messages that are not in `written`, and add those to it."""
    added = [link.message for link in links if link.message_id not in written]
    written |= {message.pk for message in added}
    shared = {block.pk for block in attached}
    return FileConversation.from_row(
        conversation,
        id=ids[conversation.pk],
        agent_id=ids[conversation.agent_id],
        forked_from=_forked_from(conversation, written, ids),
        messages=[_message(message, ids) for message in added],
        message_ids=[ids[link.message_id] for link in links],
        in_context_message_ids=[ids[link.message_id] for link in links if link.in_context],
        failed_message_ids=[ids[link.message_id] for link in links if link.message.is_err],
        isolated_blocks=[
            FileIsolatedBlock.from_row(
                isolation,
                block_id=ids[isolation.block_id],
                source_block_id=ids[isolation.source_block_id]
                if isolation.source_block_id in shared
                else None,
            )
            for isolation in isolations
        ],
    )


def _forked_from(conversation: Conversation, written: set[str], ids: FileIds) -> ForkedFrom | None:
    """Return the origin as far as the file contains it."""
    if conversation.forked_from_id is None or conversation.forked_from_id not in ids:
        return None
    message_id = conversation.forked_at_message_id
    return ForkedFrom(
        conversation_id=ids[conversation.forked_from_id],
        message_id=ids[message_id] if message_id in written else None,
    )
