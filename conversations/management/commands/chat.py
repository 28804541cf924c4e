"""Talk with an agent in the terminal."""

import asyncio
from typing import Any

from django.core.management.base import CommandError, CommandParser

from conversations.domain.actor import Actor, Source
from conversations.domain.conversations.conversations import create_conversation
from conversations.domain.diffs import unified
from conversations.domain.errors import DomainError
from conversations.domain.memory.effective import effective_blocks
from conversations.domain.memory.isolation import isolate_label
from conversations.domain.runs.events import (
    ApprovalRequestEvent,
    ErrorEvent,
    Event,
    ReasoningEvent,
    TextEvent,
    ToolCallEvent,
    ToolReturnEvent,
)
from conversations.domain.runs.input import calls_awaiting_client
from conversations.domain.runs.request import TurnRequest
from conversations.ids import is_id
from conversations.models import Agent, Conversation
from conversations.runtime.broker import Pause
from conversations.runtime.database import in_database
from conversations.runtime.runtime import StartedTurn, close_runtime, get_runtime
from conversations.text import is_storable, replace_unstorable

from ._command import OperatorCommand

BY = Actor(None, Source.COMMAND)


class Command(OperatorCommand):
    help = (
        "Talk with an agent: prints replies as they arrive, tool calls and changes of memory. "
        "An empty line or the end of input ends the chat; Ctrl-C cancels a reply. Asks for the "
        "approval of tool calls that need it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("agent", metavar="AGENT", help="the id of the agent")
        parser.add_argument(
            "--conversation",
            metavar="ID",
            help="continue this conversation, or the agent's `default` one; otherwise create one",
        )
        parser.add_argument(
            "--isolate",
            action="append",
            default=[],
            metavar="LABEL",
            help="isolate this block in the conversation; may be repeated",
        )

    def handle(
        self, *, agent: str, conversation: str | None, isolate: list[str], **options: Any
    ) -> None:
        current = self._conversation(self._agent(agent), conversation, isolate)
        self.remark(f"Conversation {current.pk}")
        try:
            while request := self._next(current):
                self._run_turn(self._reload(current), request)
        finally:
            close_runtime(grace=0)

    def _agent(self, agent_id: str) -> Agent:
        agent = Agent.objects.live().get_or_none(pk=agent_id) if is_id("agent", agent_id) else None
        if agent is None:
            raise CommandError(f"No agent has the id {agent_id!r}.")
        return agent

    def _conversation(self, agent: Agent, named: str | None, labels: list[str]) -> Conversation:
        if named is None:
            return create_conversation(agent, by=BY, isolated_labels=labels)
        conversations = Conversation.objects.live().filter(agent=agent).select_related("agent")
        found: Conversation | None = None
        if named == "default":
            found = conversations.get_or_none(is_default=True)
        elif is_id("conv", named):
            found = conversations.get_or_none(pk=named)
        if found is None:
            raise CommandError(f"Agent {agent.pk} has no conversation with the id {named!r}.")
        for label in labels:
            isolate_label(found, label, by=BY)
        return found

    def _reload(self, conversation: Conversation) -> Conversation:
        # Others may have changed the conversation or its agent since the last turn.
        conversations = Conversation.objects.live().select_related("agent")
        found = conversations.get_or_none(pk=conversation.pk)
        if found is None:
            raise CommandError(f"Conversation {conversation.pk} was deleted.")
        return found

    def _next(self, conversation: Conversation) -> TurnRequest | None:
        """Ask for the next message, or for decisions about tool calls; return None at the end."""
        if calls := calls_awaiting_client(conversation):
            return self._decide(calls)
        while text := self._ask("> "):
            if is_storable(text):
                message = {"role": "user", "content": [{"type": "text", "text": text}]}
                return TurnRequest(input=[message], stream_tokens=True)
            self.remark("The input is not valid UTF-8; nothing was sent.")
        return None

    def _decide(self, calls: list[dict[str, Any]]) -> TurnRequest | None:
        decisions = []
        for call in calls:
            name, arguments = call["function"]["name"], call["function"]["arguments"]
            answer = self._ask(f"Call {name} {arguments}? yes, or the reason why not: ")
            if answer is None:
                return None
            is_yes = answer.lower() in ("y", "yes")
            reason = None if answer.lower() in ("", "n", "no") else replace_unstorable(answer)
            decisions.append({"tool_call_id": call["id"], "approve": is_yes, "reason": reason})
        return TurnRequest(decisions=decisions, stream_tokens=True)

    def _ask(self, prompt: str) -> str | None:
        """Read a line; return None at the end of input."""
        try:
            return input(prompt).strip()
        except (EOFError, KeyboardInterrupt):
            return None

    def _run_turn(self, conversation: Conversation, request: TurnRequest) -> None:
        runtime = get_runtime()
        try:
            turn = runtime.start_turn(conversation, by=BY, request=request, kind="chat")
        except DomainError as error:
            # The conversation goes on: the next message may be accepted.
            self.remark(str(error))
            return
        try:
            asyncio.run(self._show(turn, texts_of(conversation)))
        except KeyboardInterrupt:
            runtime.cancel_run(turn.run)
            self.remark("\n(cancelled)")

    async def _show(self, turn: StartedTurn, memory: dict[str, str]) -> None:
        """Print events as they happen, and how each tool call changed `memory`."""
        last: type | None = None
        run = turn.run
        events = get_runtime().broker.follow(run, subscription=turn.subscription)
        async for stored in events:
            if isinstance(stored, Pause):
                continue
            event = stored.event
            if last is not None and type(event) is not last:
                self.stdout.write("")
            last = type(event)
            self._show_event(event)
            if isinstance(event, ToolReturnEvent):
                before, memory = memory, await in_database(texts_of, run.conversation)
                self._show_changes(before, memory)

    def _show_event(self, event: Event) -> None:
        if isinstance(event, TextEvent):
            self.stdout.write(event.text, ending="")
        elif isinstance(event, ReasoningEvent):
            self.stdout.write(self.style.HTTP_INFO(event.text), ending="")
        elif isinstance(event, ToolCallEvent | ApprovalRequestEvent):
            for call in event.calls:
                name = f"[{call['name']}] " if call["name"] else ""
                self.stdout.write(self.style.NOTICE(f"{name}{call['arguments']}"), ending="")
        elif isinstance(event, ToolReturnEvent) and event.status == "error":
            self.stdout.write(self.style.ERROR(f"[{event.name}] {event.text}"), ending="")
        elif isinstance(event, ErrorEvent):
            self.stdout.write(self.style.ERROR(f"{event.text} {event.detail}"))
        self.stdout.flush()

    def _show_changes(self, before: dict[str, str], after: dict[str, str]) -> None:
        for label, text in after.items():
            if text != before.get(label):
                names = (f"{label}, before", f"{label}, now")
                self.print_diff(unified(before.get(label, ""), text, *names))


def texts_of(conversation: Conversation) -> dict[str, str]:
    """Return the texts of the effective blocks by label."""
    return {effective.label: effective.block.value for effective in effective_blocks(conversation)}
