"""From an agent file, in the newer shape or the older, flat one, to a parcel."""

from collections import Counter
from typing import Any

from ...domain.conversations.agents import check_agent
from ...domain.errors import InvalidArgument, InvalidValue
from ...models import Agent
from .json_reader import Node, parse_document
from .model import Parcel, ParcelAgent, ParcelConversation, reading_order
from .parse_extension import FORMAT, FORMAT_KEY, read_conversations, read_details
from .pieces import own_tools, read_block, read_message, read_tools

# What an agent file can carry that has no place here.
ELSEWHERE = ("groups", "files", "sources", "mcp_servers", "skills")
APPROVAL = "requires_approval"


def read_agent_file(data: bytes) -> Parcel:
    """What the file says. Raises a DomainError that names what is wrong; stores nothing."""
    document = parse_document(data)
    if "agents" in document.fields:
        return _read_newer(document)
    if "core_memory" in document.fields:
        return _read_flat(document)
    raise InvalidArgument(
        "Expected an agent file: an object with `agents`, or in the older shape with `core_memory`"
    )


def _read_newer(document: Node) -> Parcel:
    parcel = Parcel([], {}, {}, _remarks_on(document))
    for node in document.each("blocks"):
        _add(parcel.blocks, node, read_block(node, node.needed_text("id"), parcel.remarks))
    tools: dict[str, dict] = {}
    for node in document.each("tools"):
        _add(tools, node, read_tools([node])[0])
    agents: dict[str, ParcelAgent] = {}
    for node in document.each("agents"):
        _add(agents, node, _read_agent(node, parcel, tools))
    if not agents:
        raise document.get("agents").wrong("at least one agent")
    parcel.agents = list(agents.values())
    kind = document.get("metadata").get(FORMAT_KEY) if document.has("metadata") else Node(None, "")
    if kind.value is not None:
        if kind.value != FORMAT:
            raise kind.wrong(f"{FORMAT!r}, the only format of conversations known here,")
        read_details(document, agents, parcel)
        read_conversations(document, agents, parcel)
    return parcel


def _read_flat(document: Node) -> Parcel:
    """One agent with its blocks, tools and messages inside it; messages have no ids."""
    parcel = Parcel([], {}, {}, _remarks_on(document))
    block_ids = _read_inner_blocks(document, "core_memory", parcel)
    message_ids = []
    for index, node in enumerate(document.each("messages")):
        message_ids.append(f"message-{index}")
        parcel.messages[message_ids[-1]] = read_message(node, parcel.remarks)
    context = [] if document.has("in_context_message_indices") else list(message_ids)
    for node in document.each("in_context_message_indices"):
        if node.as_number() >= len(message_ids):
            raise node.wrong(f"the index of one of {len(message_ids)} messages")
        context.append(message_ids[node.as_number()])
    tools = read_tools(document.each("tools"))
    agent = _agent(document, "agent-0", tools, parcel)
    agent.block_ids = block_ids
    agent.conversations = [_thread(agent.id, message_ids, context)]
    _check_labels(document, agent, parcel)
    parcel.agents = [agent]
    return parcel


def _read_agent(node: Node, parcel: Parcel, tools: dict[str, dict]) -> ParcelAgent:
    wanted = []
    for tool in node.each("tool_ids"):
        if tool.as_text() not in tools:
            raise tool.wrong("the id of a tool in this file")
        wanted.append(tools[tool.value])
    wanted += [{"name": name} for name in node.texts("tools", most=200)]
    agent = _agent(node, node.needed_text("id"), wanted, parcel)
    for block in node.each("block_ids"):
        if block.as_text() not in parcel.blocks:
            raise block.wrong("the id of a block in this file")
        agent.block_ids.append(block.value)
    agent.block_ids += _read_inner_blocks(node, "memory_blocks", parcel)
    _check_labels(node, agent, parcel)
    message_ids = []
    for message in node.each("messages"):
        _add(parcel.messages, message, read_message(message, parcel.remarks))
        message_ids.append(message.needed_text("id"))
    context = [] if node.has("in_context_message_ids") else list(message_ids)
    for message in node.each("in_context_message_ids"):
        if message.as_text() not in message_ids:
            raise message.wrong("the id of one of the agent's messages")
        context.append(message.value)
    agent.conversations = [_thread(agent.id, message_ids, context)]
    return agent


def _agent(node: Node, agent_id: str, tools: list[dict], parcel: Parcel) -> ParcelAgent:
    names = list(dict.fromkeys(tool["name"] for tool in tools))
    rules = [rule for rule in node.each("tool_rules") if rule.text("type") != APPROVAL]
    if rules:
        parcel.remarks.append(f"{len(rules)} tool rules of {agent_id} have no place here")
    approval = [
        rule.needed_text("tool_name")
        for rule in node.each("tool_rules")
        if rule.text("type") == APPROVAL
    ]
    approval += [tool["name"] for tool in tools if tool.get("default_requires_approval")]
    model, window = _model(node)
    fields: dict[str, Any] = {
        "name": node.needed_text("name", most=200),
        "description": node.text("description"),
        "system": node.text("system") or "",
        "agent_type": node.text("agent_type", most=50) or "letta_v1_agent",
        "model": model,
        "model_settings": node.object("model_settings"),
        "embedding": _embedding(node),
        "context_window_limit": node.number("context_window_limit", least=1) or window,
        "timezone": node.text("timezone", most=64) or "UTC",
        "tools": names,
        "approval_tools": [name for name in dict.fromkeys(approval) if name in names],
        "tags": node.texts("tags"),
        "metadata": node.object("metadata") or node.object("metadata_") or {},
        "hidden": node.flag("hidden"),
    }
    try:
        check_agent(fields)  # type: ignore[arg-type]
    except InvalidValue as error:
        raise InvalidValue(
            f"{node.path}.{error.field}".lstrip("."), str(error).removeprefix(f"{error.field}: ")
        ) from None
    return ParcelAgent(
        id=agent_id,
        fields=fields,  # type: ignore[arg-type]
        block_ids=[],
        conversations=[],
        tool_definitions=own_tools(tools),
        created_at=node.time("created_at"),
    )


def _model(node: Node) -> tuple[str, int]:
    """The handle, and how much the model reads."""
    handle, window = node.text("model", most=200), Agent.DEFAULT_CONTEXT_WINDOW
    if node.has("llm_config"):
        config = node.get("llm_config")
        window = config.number("context_window", least=1) or window
        handle = handle or config.text("handle", most=200)
        if handle is None and config.has("model"):
            provider = config.text("provider_name") or config.text("model_endpoint_type")
            handle = f"{provider or 'openai'}/{config.needed_text('model', most=100)}"[:200]
    if handle is None:
        raise node.get("model").wrong("a model's handle here or in `llm_config`")
    return handle, window


def _embedding(node: Node) -> str | None:
    if node.has("embedding") or not node.has("embedding_config"):
        return node.text("embedding", most=200)
    return node.get("embedding_config").text("handle", most=200)


def _read_inner_blocks(node: Node, name: str, parcel: Parcel) -> list[str]:
    """Blocks that stand inside of their agent, and have no ids."""
    ids = []
    for block in node.each(name):
        parcel.blocks[block.path] = read_block(block, block.path, parcel.remarks)
        ids.append(block.path)
    return ids


def _check_labels(node: Node, agent: ParcelAgent, parcel: Parcel) -> None:
    labels = Counter(parcel.blocks[block_id].fields["label"] for block_id in agent.block_ids)
    for label, count in labels.items():
        if count > 1:
            raise InvalidValue(
                f"{node.path}.blocks".lstrip("."),
                f"expected one block for each label, got {count} with label {label!r}",
            )


def _thread(agent_id: str, message_ids: list[str], context: list[str]) -> ParcelConversation:
    context = list(dict.fromkeys(context))
    return ParcelConversation(
        id=f"default of {agent_id}",
        is_default=True,
        fields={},
        message_ids=reading_order(message_ids, context),
        in_context=set(context),
    )


def _add(found: dict[str, Any], node: Node, item: Any) -> None:
    """Keep an item by its id, which is its own in the file."""
    item_id = node.needed_text("id")
    if item_id in found:
        raise node.get("id").wrong("an id that no other has")
    found[item_id] = item


def _count_of_variables(agent: Node) -> int:
    """Older files list them, newer ones map keys to values."""
    name = "tool_exec_environment_variables"
    found = agent.fields.get(name)
    return len(found) if isinstance(found, dict) else len(agent.each(name))


def _remarks_on(document: Node) -> list[str]:
    counts = {name: len(document.each(name)) for name in ELSEWHERE}
    counts["environment variables"] = sum(
        _count_of_variables(agent) for agent in [document, *document.each("agents")]
    )
    return [f"{count} {name} have no place here" for name, count in counts.items() if count]
