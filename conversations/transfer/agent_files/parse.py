"""Read an agent file of either format, check what it refers to, and store nothing."""

import json
from collections import Counter
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NoReturn, TypeVar, cast

from pydantic import ValidationError

from ...domain.conversations import agents
from ...domain.errors import InvalidArgument, InvalidValue
from ...domain.tools.rules import checked_rules
from ...domain.tools.variables import check_variables
from ..validation import check_storable
from .fields import FileModel, first_error, wrong
from .model import (
    EXTENSION_KEY,
    EXTENSION_VERSION,
    BlockDetails,
    Document,
    ExtendedDocument,
    FileAgent,
    FileBlock,
    FileConversation,
    FileFile,
    FileFolder,
    FileMessage,
    FileOfAgent,
    FileRevision,
    FileTool,
    FlatDocument,
    Unsupported,
    reading_order,
)

# A file is read as a whole, which takes about ten times its size in memory.
MAX_BYTES = 64 * 2**20

Found = TypeVar("Found")
Model = TypeVar("Model", bound=FileModel)


@dataclass
class ImportedAgent:
    """An agent of a file. Its first conversation is its default one."""

    id: str
    fields: agents.AgentFields
    block_ids: list[str]
    tools: list[FileTool]
    variables: dict[str, str]
    created_at: datetime | None
    conversations: list[FileConversation]
    folder_ids: list[str]
    files: list[FileOfAgent]


@dataclass
class AgentFile:
    """What a file contains, in the same shape for both formats; ids are those of the file."""

    agents: list[ImportedAgent] = field(default_factory=list)
    blocks: dict[str, FileBlock] = field(default_factory=dict)
    revisions: dict[str, list[FileRevision]] = field(default_factory=dict)
    messages: dict[str, FileMessage] = field(default_factory=dict)
    folders: dict[str, FileFolder] = field(default_factory=dict)
    files: dict[str, FileFile] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def parse_agent_file(data: bytes) -> AgentFile:
    """Return what a file contains.

    Raises a DomainError that names the place, what is there and what was expected.
    """
    check_size(len(data))
    try:
        value = json.loads(data, parse_constant=_refuse_constant)
        if isinstance(value, str):  # Some programs encoded their files twice.
            value = json.loads(value, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise InvalidArgument(f"Expected JSON in UTF-8; {error}") from None
    check_storable(value)
    if not isinstance(value, dict):
        raise wrong("", "an object", value)
    if "agents" in value:
        return _parse_current(value)
    if "core_memory" in value:
        return _parse_flat(_validated(FlatDocument, value))
    raise InvalidArgument(
        "Expected an agent file: an object with `agents`, or in the older format with `core_memory`"
    )


def check_size(size: int) -> None:
    """Raise unless a file of this many bytes may be read."""
    if size > MAX_BYTES:
        raise InvalidArgument(
            f"The file has {size} bytes; expected at most {MAX_BYTES} ({MAX_BYTES >> 20} MiB)"
        )


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _validated(model: type[Model], value: dict[str, Any]) -> Model:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise first_error(error) from None


def _parse_current(value: dict[str, Any]) -> AgentFile:
    metadata = value.get("metadata")
    version = metadata.get(EXTENSION_KEY) if isinstance(metadata, dict) else None
    if version not in (None, EXTENSION_VERSION):
        known = f"{EXTENSION_VERSION!r}, the only known version"
        raise wrong(f"metadata.{EXTENSION_KEY}", known, version)
    document = _validated(ExtendedDocument if version else Document, value)
    file = AgentFile(warnings=_unsupported(document))
    file.blocks = _by_id(document.blocks, "blocks")
    _raise_limits(file, document.blocks, "blocks")
    tools = _by_id(document.tools, "tools")
    _parse_folders(file, document)
    if not document.agents:
        raise wrong("agents", "at least one agent", [])
    for index, agent in enumerate(_by_id(document.agents, "agents").values()):
        file.agents.append(_parse_agent(file, agent, tools, f"agents.{index}.", "memory_blocks"))
    if isinstance(document, ExtendedDocument):
        _parse_details(file, document)
        _parse_conversations(file, document.conversations)
    return file


def _parse_folders(file: AgentFile, document: Document) -> None:
    file.folders = _by_id(document.sources, "sources")
    file.files = _by_id(document.files, "files")
    for index, each in enumerate(document.files):
        _find(file.folders, each.source_id, f"files.{index}.source_id", "a source")


def _parse_flat(document: FlatDocument) -> AgentFile:
    """Give ids to what has none in the older format, and read it like the current one."""
    file = AgentFile(warnings=_unsupported(document))
    for index, message in enumerate(document.messages):
        message.id = f"message-{index}"
    for index, tool in enumerate(document.tools):
        tool.id = f"tool-{index}"
    context, indices = None, document.in_context_message_indices
    if indices is not None:
        what = f"the index of one of {len(document.messages)} messages"
        _check_all(range(len(document.messages)), indices, "in_context_message_indices", what)
        context = [document.messages[index].id for index in indices]
    tools = {tool.id: tool for tool in document.tools}
    fields = {
        "id": "agent-0",
        "memory_blocks": document.core_memory,
        "tools": [],
        "tool_ids": list(tools),
        "in_context_message_ids": context,
    }
    agent = FileAgent.model_construct(**{**vars(document), **fields})
    file.agents.append(_parse_agent(file, agent, tools, "", "core_memory"))
    return file


def _parse_agent(
    file: AgentFile, agent: FileAgent, tools: Mapping[str, FileTool], prefix: str, inner: str
) -> ImportedAgent:
    """Read an agent at the path `prefix`, whose field `inner` contains blocks without ids."""
    _check_all(tools, agent.tool_ids, f"{prefix}tool_ids", "the id of a tool in this file")
    used = [tools[tool_id] for tool_id in agent.tool_ids]
    used += [FileTool(name=name) for name in agent.tools]
    what = "the id of a block in this file"
    _check_all(file.blocks, agent.block_ids, f"{prefix}block_ids", what)
    _raise_limits(file, agent.memory_blocks, f"{prefix}{inner}")
    for index, block in enumerate(agent.memory_blocks):
        block.id = f"{prefix}{inner}.{index}"
        file.blocks[block.id] = block
    block_ids = agent.block_ids + [block.id for block in agent.memory_blocks]
    labels = Counter(file.blocks[block_id].label for block_id in block_ids)
    for label, count in labels.items():
        if count > 1:
            what = f"expected one block for each label, got {count} with label {label!r}"
            raise InvalidValue(f"{prefix}blocks", what)
    what = "the id of a source in this file"
    _check_all(file.folders, agent.source_ids, f"{prefix}source_ids", what)
    what = "the id of a file in this file"
    named = [each.file_id for each in agent.files_agents]
    _check_all(file.files, named, f"{prefix}files_agents", what)
    ids = _add_messages(file, agent.messages, f"{prefix}messages")
    context = ids if agent.in_context_message_ids is None else agent.in_context_message_ids
    what = "the id of one of the agent's messages"
    _check_all(set(ids), context, f"{prefix}in_context_message_ids", what)
    context = list(dict.fromkeys(context))
    return ImportedAgent(
        id=agent.id,
        fields=_agent_fields(file, agent, prefix),
        block_ids=block_ids,
        tools=list({tool.name: tool for tool in reversed(used)}.values())[::-1],
        variables=_given_variables(file, agent),
        created_at=agent.created_at,
        folder_ids=list(dict.fromkeys(agent.source_ids)),
        files=agent.files_agents,
        conversations=[
            FileConversation(
                id=f"default of {agent.id}",
                agent_id=agent.id,
                is_default=True,
                message_ids=reading_order(ids, context),
                in_context_message_ids=context,
            )
        ],
    )


def _agent_fields(file: AgentFile, agent: FileAgent, prefix: str) -> agents.AgentFields:
    fields = cast(agents.AgentFields, agent.agent_fields())
    fields["tool_rules"] = []
    for rule in agent.tool_rules:
        try:
            fields["tool_rules"] += checked_rules([rule])
        except InvalidValue as error:
            file.warnings.append(f"a tool rule of {agent.id} is left out: {error.message}")
    try:
        agents.check_agent(fields)
    except InvalidValue as error:
        raise InvalidValue(f"{prefix}{error.field}", error.message) from None
    return fields


def _given_variables(file: AgentFile, agent: FileAgent) -> dict[str, str]:
    """Return the variables with a value; files exported by a server have none."""
    variables = agent.tool_exec_environment_variables
    check_variables(variables)
    if empty := [key for key, value in variables.items() if not value]:
        file.warnings.append(
            f"environment variables of {agent.id} without a value: {', '.join(empty)}"
        )
    return {key: value for key, value in variables.items() if value}


def _parse_details(file: AgentFile, document: ExtendedDocument) -> None:
    by_id = {agent.id: agent for agent in file.agents}
    for index, details in enumerate(document.agent_details):
        path = f"agent_details.{index}"
        agent = _find(by_id, details.agent_id, f"{path}.agent_id", "an agent")
        labels = {file.blocks[block_id].label for block_id in agent.block_ids}
        what = "the label of one of the agent's blocks"
        _check_all(labels, details.isolated_labels, f"{path}.isolated_labels", what)
        agent.fields["isolated_labels"] = details.isolated_labels
        agent.fields["model_settings"] = details.model_settings
        agent.fields["fallback_model"] = details.fallback_model
        agent.fields["on_busy"] = details.on_busy
        agent.created_at = details.created_at
    for index, block_details in enumerate(document.block_details):
        path = f"block_details.{index}"
        block = _find(file.blocks, block_details.block_id, f"{path}.block_id", "a block")
        block.tags, block.copy_on_write = block_details.tags, block_details.copy_on_write
        _check_revisions(block, block_details, f"{path}.revisions")
        file.revisions[block.id] = block_details.revisions


def _check_revisions(block: FileBlock, details: BlockDetails, path: str) -> None:
    revisions = details.revisions
    if [each.number for each in revisions] != list(range(1, len(revisions) + 1)):
        raise InvalidValue(path, "expected numbers from 1 on, without gaps")
    if any((each.restored_number or 0) >= each.number for each in revisions):
        raise InvalidValue(path, "expected to restore earlier ones only")
    for newest in revisions[-1:]:
        for name in ("value", "description", "limit"):
            if getattr(newest, name) != getattr(block, name):
                raise InvalidValue(path, f"expected the newest to have the block's {name}")


def _parse_conversations(file: AgentFile, conversations: list[FileConversation]) -> None:
    by_id = {agent.id: agent for agent in file.agents}
    owners = {each: a.id for a in file.agents for each in a.conversations[0].message_ids}
    isolated: set[str] = set()
    for index, conversation in enumerate(conversations):
        path = f"conversations.{index}"
        agent = _find(by_id, conversation.agent_id, f"{path}.agent_id", "an agent")
        _parse_messages(file, conversation, agent, path)
        for message_id in conversation.message_ids:
            if owners.setdefault(message_id, agent.id) != agent.id:
                what = "messages of the conversation's own agent"
                raise wrong(f"{path}.message_ids", what, conversation.message_ids)
        _check_isolated_blocks(file, conversation, isolated, f"{path}.isolated_blocks")
        if conversation.is_default:
            agent.conversations[0] = conversation
        else:
            agent.conversations.append(conversation)
    for agent in file.agents:
        for block_id in agent.block_ids:
            if block_id in isolated:
                raise InvalidArgument(
                    f"Block {block_id!r} is isolated, and attached to {agent.id!r}"
                )
    _check_forks(file, conversations)


def _parse_messages(
    file: AgentFile, conversation: FileConversation, agent: ImportedAgent, path: str
) -> None:
    added = _add_messages(file, conversation.messages, f"{path}.messages")
    for name in ("message_ids", "in_context_message_ids", "failed_message_ids"):
        listed = getattr(conversation, name)
        what = "the id of a message in this file"
        _check_all(file.messages, listed, f"{path}.{name}", what)
        seen: set[str] = set()
        for index, message_id in enumerate(listed):
            if message_id in seen:
                raise wrong(f"{path}.{name}.{index}", "each message once", message_id)
            seen.add(message_id)
    ids, context = conversation.message_ids, conversation.in_context_message_ids
    known = set(ids)
    _check_all(known, added, f"{path}.messages", "an id that is in `message_ids` too")
    if not set(context) <= known:
        what = "ids that are in `message_ids` too"
        raise wrong(f"{path}.in_context_message_ids", what, context)
    if conversation.is_default and not known.issuperset(agent.conversations[0].message_ids):
        what = "all messages of the agent, in its default conversation"
        raise wrong(f"{path}.message_ids", what, ids)
    for message_id in conversation.failed_message_ids:
        file.messages[message_id].is_err = True
    conversation.message_ids = reading_order(ids, context)


def _check_isolated_blocks(
    file: AgentFile, conversation: FileConversation, isolated: set[str], path: str
) -> None:
    """Check that blocks and labels are isolated once; add the blocks to `isolated`."""
    labels: set[str] = set()
    for index, isolation in enumerate(conversation.isolated_blocks):
        place = f"{path}.{index}"
        block = _find(file.blocks, isolation.block_id, f"{place}.block_id", "a block")
        if block.label in labels:
            raise wrong(place, f"one isolated block for label {block.label!r}", block.id)
        labels.add(block.label)
        if isolation.source_block_id is not None:
            _find(file.blocks, isolation.source_block_id, f"{place}.source_block_id", "a block")
        if block.id in isolated:
            raise InvalidValue(path, f"block {block.id!r} is already isolated in a conversation")
        isolated.add(block.id)


def _check_forks(file: AgentFile, conversations: list[FileConversation]) -> None:
    """Check that origins are in the file and that no conversation is its own ancestor."""
    found = _by_id(conversations, "conversations")
    checked: set[str] = set()
    for index, conversation in enumerate(conversations):
        path = f"conversations.{index}.forked_from"
        if (fork := conversation.forked_from) and fork.message_id is not None:
            _find(file.messages, fork.message_id, path, "a message")
        ancestors: set[str] = set()
        ancestor: str | None = conversation.id
        while ancestor is not None and ancestor not in checked:
            origin = _find(found, ancestor, path, "a conversation").forked_from
            if ancestor in ancestors:
                raise wrong(path, "a conversation that is not a fork of this one", ancestor)
            ancestors.add(ancestor)
            ancestor = origin and origin.conversation_id
        checked |= ancestors


def _raise_limits(file: AgentFile, blocks: list[FileBlock], path: str) -> None:
    """Raise limits to the length of the text: other servers did not always enforce them."""
    for index, block in enumerate(blocks):
        if len(block.value) > block.limit:
            raised = f"the limit {block.limit} is raised to {len(block.value)}, the value's length"
            file.warnings.append(f"{path}.{index}: {raised}")
            block.limit = len(block.value)


def _add_messages(file: AgentFile, messages: list[FileMessage], path: str) -> list[str]:
    for index, message in enumerate(messages):
        if message.approve is not None and not message.approvals:
            file.warnings.append(f"{path}.{index}: answers to approval requests are not supported")
    added = _by_id(messages, path, known=file.messages)
    file.messages |= added
    return list(added)


def _by_id(items: list[Any], path: str, known: Mapping[str, Any] | None = None) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for index, item in enumerate(items):
        if not item.id:
            raise wrong(f"{path}.{index}.id", "an id", item.id)
        if item.id in found or item.id in (known or {}):
            raise wrong(f"{path}.{index}.id", "an id that no other has", item.id)
        found[item.id] = item
    return found


def _find(found: Mapping[str, Found], item_id: str, path: str, what: str) -> Found:
    if item_id not in found:
        raise wrong(path, f"the id of {what} in this file", item_id)
    return found[item_id]


def _check_all(known: Container[Any], items: Iterable[Any], path: str, what: str) -> None:
    for index, item in enumerate(items):
        if item not in known:
            raise wrong(f"{path}.{index}", what, item)


def _unsupported(document: Unsupported) -> list[str]:
    counts = {name: len(getattr(document, name)) for name in Unsupported.model_fields}
    return [f"{count} {name} are not supported" for name, count in counts.items() if count]
