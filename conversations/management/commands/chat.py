import asyncio

from django.core.management.base import CommandError

from conversations.conf import conf
from conversations.domain.actor import Actor, Source
from conversations.domain.conversations.conversations import create_conversation
from conversations.domain.diffs import unified
from conversations.domain.errors import DomainError
from conversations.domain.memory.effective import effective_blocks
from conversations.domain.memory.isolation import isolate_label
from conversations.domain.runs.start import TurnRequest, pending_calls, start_run
from conversations.ids import is_id
from conversations.models import Agent, Conversation, Run
from conversations.runtime import broker
from conversations.runtime.database import in_database
from conversations.runtime.worker import cancel_run, drain, this_worker
from conversations.text import is_storable, replace_unstorable

from ._command import OperatorCommand

BY = Actor(None, Source.COMMAND)


class Command(OperatorCommand):
    help = (
        "Talk with an agent: replies as they come, tool calls, and what changed in memory. "
        "An empty line or the end of input ends it; Ctrl-C cancels a reply. A tool that needs "
        "approval is asked about."
    )

    def add_arguments(self, parser):
        parser.add_argument("agent", metavar="AGENT", help="its id")
        parser.add_argument(
            "--conversation",
            metavar="ID",
            help="go on with this one (`default`: the agent's own); without, a new one begins",
        )
        parser.add_argument(
            "--isolate",
            action="append",
            default=[],
            metavar="LABEL",
            help="give the conversation its own copy of this block; may be repeated",
        )

    def handle(self, *, agent, conversation, isolate, **options):
        thread = self._thread(self._agent(agent), conversation, isolate)
        self.remark(f"Conversation {thread.pk}")
        try:
            while request := self._next(thread):
                self._turn(self._fresh(thread), request)
        finally:
            drain(0)

    def _agent(self, agent_id: str) -> Agent:
        agent = Agent.objects.live().get_or_none(pk=agent_id) if is_id("agent", agent_id) else None
        if agent is None:
            raise CommandError(f"No agent has the id {agent_id!r}.")
        return agent

    def _thread(self, agent: Agent, named: str | None, labels: list[str]) -> Conversation:
        thread: Conversation | None
        if named is None:
            return create_conversation(agent, by=BY, isolated_labels=labels)
        threads = Conversation.objects.live().filter(agent=agent).select_related("agent")
        if named == "default":
            thread = threads.get_or_none(is_default=True)
        else:
            thread = threads.get_or_none(pk=named) if is_id("conv", named) else None
        if thread is None:
            raise CommandError(f"Agent {agent.pk} has no conversation with the id {named!r}.")
        for label in labels:
            isolate_label(thread, label, by=BY)
        return thread

    def _fresh(self, thread: Conversation) -> Conversation:
        """Others may have changed it or its agent while the person was thinking."""
        found = Conversation.objects.live().select_related("agent").get_or_none(pk=thread.pk)
        if found is None:
            raise CommandError(f"Conversation {thread.pk} was deleted.")
        return found

    def _next(self, thread: Conversation) -> TurnRequest | None:
        """What the person says, or decides about the calls that wait for it; None at the end."""
        if calls := pending_calls(thread):
            return self._decide(calls)
        while text := self._ask("> "):
            if is_storable(text):
                message = {"role": "user", "content": [{"type": "text", "text": text}]}
                return TurnRequest(input=[message], stream_tokens=True)
            self.remark("That is no UTF-8; nothing was sent.")
        return None

    def _decide(self, calls: list[dict]) -> TurnRequest | None:
        decisions = []
        for call in calls:
            name, arguments = call["function"]["name"], call["function"]["arguments"]
            answer = self._ask(f"Call {name} {arguments}? yes, or why not: ")
            if answer is None:
                return None
            is_yes = answer.lower() in ("y", "yes")
            reason = None if answer.lower() in ("", "n", "no") else replace_unstorable(answer)
            decisions.append({"tool_call_id": call["id"], "approve": is_yes, "reason": reason})
        return TurnRequest(decisions=decisions, stream_tokens=True)

    def _ask(self, prompt: str) -> str | None:
        """A line that was typed; None at the end of input."""
        try:
            return input(prompt).strip()
        except (EOFError, KeyboardInterrupt):
            return None

    def _turn(self, conversation: Conversation, request: TurnRequest) -> None:
        worker = this_worker() if conf.RUN_TURNS_IN_WEB else None
        try:
            run, _ = start_run(
                conversation,
                by=BY,
                request=request,
                worker=worker.name if worker else None,
                kind="chat",
            )
        except DomainError as error:
            # The conversation goes on; whoever types may have meant something else.
            self.remark(str(error))
            return
        beginning = broker.watch(run.pk) if worker else None
        if worker:
            worker.take(run)
        try:
            asyncio.run(self._show(run, beginning, texts_of(conversation)))
        except KeyboardInterrupt:
            cancel_run(run)
            self.remark("\n(cancelled)")

    async def _show(self, run: Run, beginning: broker.Watch | None, memory: dict[str, str]) -> None:
        """Print events as they happen, and what each tool changed in `memory`."""
        last = ""
        async for event in broker.follow(run.pk, beginning=beginning):
            if event is None:
                continue
            kind = event.data["type"]
            if last and kind != last:
                self.stdout.write("")
            last = kind
            self._show_event(event.data)
            if kind == "tool_return":
                before, memory = memory, await in_database(texts_of, run.conversation)
                self._show_changes(before, memory)

    def _show_event(self, data: dict) -> None:
        kind = data["type"]
        if kind == "text":
            self.stdout.write(data["text"], ending="")
        elif kind == "reasoning":
            self.stdout.write(self.style.HTTP_INFO(data["text"]), ending="")
        elif kind in ("tool_call", "approval_request"):
            for call in data["calls"]:
                name = f"[{call['name']}] " if call["name"] else ""
                self.stdout.write(self.style.NOTICE(f"{name}{call['arguments']}"), ending="")
        elif kind == "tool_return" and data["status"] == "error":
            self.stdout.write(self.style.ERROR(f"[{data['name']}] {data['text']}"), ending="")
        elif kind == "error":
            self.stdout.write(self.style.ERROR(f"{data['text']} {data['detail']}"))
        self.stdout.flush()

    def _show_changes(self, before: dict[str, str], after: dict[str, str]) -> None:
        for label, text in after.items():
            if text != before.get(label):
                names = (f"{label}, before", f"{label}, now")
                self.print_diff(unified(before.get(label, ""), text, *names))


def texts_of(conversation: Conversation) -> dict[str, str]:
    """What the conversation reads, by label."""
    return {effective.label: effective.block.value for effective in effective_blocks(conversation)}
