"""The context window: what the model would read now, and what it costs."""

from dataclasses import dataclass
from typing import Any

from ...llm.tokens import count_tokens
from ...models import Conversation, Message, Tool
from ..memory.effective import effective_blocks
from ..memory.prompt import Prompt, preview_prompt
from ..tools.definitions import tool_definitions


@dataclass(frozen=True)
class ContextWindow:
    """What the model would read now, and the number of tokens of each part."""

    prompt: Prompt
    labels: list[str]
    tools: list[Tool]
    functions: list[dict[str, Any]]
    messages: list[Message]
    size_max: int
    message_total: int
    tokens_system: int
    tokens_memory: int
    tokens_metadata: int
    tokens_directories: int
    tokens_functions: int
    tokens_messages: int

    @property
    def size_current(self) -> int:
        """The number of tokens of all parts."""
        return (
            self.tokens_system
            + self.tokens_memory
            + self.tokens_metadata
            + self.tokens_directories
            + self.tokens_functions
            + self.tokens_messages
        )


def context_window(conversation: Conversation) -> ContextWindow:
    """Return what the model would read if the next turn began now. Writes nothing."""
    agent = conversation.agent
    blocks = effective_blocks(conversation)
    prompt = preview_prompt(conversation, blocks)
    labels = [effective.label for effective in blocks]
    links = conversation.message_links.in_context().select_related("message")
    messages = [link.message for link in links]
    if messages:
        # The stored prompt may be stale; a turn recompiles it first.
        messages[0].content = [{"type": "text", "text": prompt.text}]
    tools = list(Tool.objects.of_agent(agent))
    functions = tool_definitions(tools, labels)
    return ContextWindow(
        prompt=prompt,
        labels=labels,
        tools=tools,
        functions=functions,
        messages=messages,
        size_max=conversation.context_window_limit or agent.context_window_limit,
        message_total=conversation.message_links.count(),
        tokens_system=count_tokens(prompt.system),
        tokens_memory=count_tokens(prompt.memory),
        tokens_metadata=count_tokens(prompt.metadata),
        tokens_directories=count_tokens(prompt.directories),
        tokens_functions=sum(count_tokens(str(function)) for function in functions),
        tokens_messages=sum(message_tokens(message) for message in messages[1:]),
    )


def message_tokens(message: Message) -> int:
    """Count the tokens of a message: its text, tool calls and tool returns."""
    parts = [message.text]
    parts += [str(call) for call in message.tool_calls]
    parts += [str(result) for result in message.tool_returns]
    return sum(count_tokens(part) for part in parts if part)
