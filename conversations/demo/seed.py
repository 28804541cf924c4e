"""Create the demo organization."""

import json
from typing import Unpack

from django.db import transaction
from django.utils import timezone

from ..domain.actor import Actor, Source
from ..domain.conversations.accounts import create_member, create_organization
from ..domain.conversations.agents import AgentFields, create_agent, detach_block
from ..domain.conversations.conversations import (
    create_conversation,
    fork_conversation,
    update_conversation,
)
from ..domain.conversations.messages import append_messages, text_message
from ..domain.memory.blocks import BlockFields, create_block, write_block
from ..domain.runs.finish import Outcome
from ..domain.runs.request import TurnRequest
from ..domain.runs.start import start_run
from ..domain.tools.catalog import named_tools
from ..domain.tools.definitions import BASE_TOOLS
from ..domain.turns.reply import ModelReply
from ..domain.turns.steps import begin_turn, plan_step, store_step
from ..llm.requests import CallChunk, Chunk, TextChunk, Usage
from ..models import Agent, Block, Conversation, Message, Organization, Run
from .blocks import COACH, COMPANY, SUPPORT, TUTOR

ORGANIZATION = "Demo"
MEMBER = "demo"
MODEL = "scripted/demo"


@transaction.atomic
def seed_demo() -> Organization | None:
    """Create the organization "Demo" with agents, memory and conversations.

    If it exists, change nothing and return None, so that edits in it are kept.
    """
    if Organization.objects.filter(name=ORGANIZATION).exists():
        return None
    organization = create_organization(ORGANIZATION)
    by = Actor(create_member(organization, MEMBER), Source.COMMAND)
    company = create_block(organization, by=by, **COMPANY)
    _seed_support(organization, company, by=by)
    _seed_coach(organization, company, by=by)
    _seed_tutor(organization, by=by)
    return organization


def _seed_support(organization: Organization, company: Block, *, by: Actor) -> None:
    agent = _agent(
        organization,
        SUPPORT,
        company,
        by=by,
        name="Support Desk",
        description="Answers customers of a bicycle rental.",
        tags=["customers", "production"],
    )

    refund = _conversation(agent, "Refund for a cancelled rental", ["human", "case_notes"], by=by)
    _write(refund, "human", "Rents by the month since March. Prefers short answers.", by=by)
    _add_turn(refund, by=by)
    fork = fork_conversation(refund, by=by)
    update_conversation(fork, by=by, summary="Refund, if the bicycle was never picked up")
    _talk(fork, "And if I never picked it up?", "Then the full amount is refunded.", by=by)

    battery = _conversation(
        agent, "Battery no longer holds its charge", ["human", "case_notes"], by=by
    )
    _talk(
        battery,
        "The battery lasts twenty minutes. I bought the bicycle ten months ago.",
        "The battery is under warranty for a year, so we replace it. Which model is it?",
        "The one with the blue frame.",
        "Thank you. A replacement can be collected in two working days.",
        by=by,
    )

    # The shared checklist changes after both conversations have isolated it.
    case_notes = agent.blocks.get(label="case_notes")
    checklist = "Checklist: order number, pick-up date, frame number, what the customer asks for."
    write_block(case_notes, by=by, reason="Ask for the frame number too", value=checklist)


def _seed_coach(organization: Organization, company: Block, *, by: Actor) -> None:
    agent = _agent(
        organization,
        COACH,
        company,
        by=by,
        name="Sales Coach",
        description="Prepares conversations with companies that want a fleet.",
        tags=["internal"],
    )

    fleet = _conversation(agent, "Fleet for a hotel group", ["playbook", "quarter_goals"], by=by)
    playbook = (
        "1. Find out who signs and when their budget closes.\n"
        "2. Offer a month's trial of five bicycles before talking about price.\n"
        "3. Hotels: talk about guests' reviews first, costs second."
    )
    _write(fleet, "playbook", playbook, by=by)
    _talk(
        fleet,
        "The hotel group asks for a price before they have seen a bicycle.",
        "Who there decides, and what would a trial have to show them?",
        by=by,
    )
    _talk(
        _conversation(agent, "Preparing the quarterly review", [], by=by),
        "What should the review begin with?",
        "With the three deals that taught you most. Which ones come to mind?",
        by=by,
    )
    # At the end of the quarter, the hotel conversation keeps its isolated goals: shared_gone.
    detach_block(agent, agent.blocks.get(label="quarter_goals"), by=by)


def _seed_tutor(organization: Organization, *, by: Actor) -> None:
    agent = _agent(
        organization,
        TUTOR,
        by=by,
        name="Personal Tutor",
        description="Teaches school mathematics, one learner per conversation.",
        isolated_labels=["human", "progress"],
        tags=["learning"],
    )
    evening = _conversation(agent, "Evening course, percentages", [], by=by)
    _write(evening, "human", "Returns to school after ten years. Likes examples with money.", by=by)
    _write(evening, "progress", "Done: fractions.\nOpen: percentages, equations.", by=by)
    _talk(
        evening,
        "Why is ten percent off and then ten percent on not the original price?",
        "Try it with 100 coins. How many are left after the first step?",
        "90.",
        "And what is ten percent of those 90?",
        by=by,
    )
    _talk(
        _conversation(agent, "Preparing for the entrance test", [], by=by),
        "I have three weeks. Where do I start?",
        "With one old test under real conditions. When could you take it?",
        by=by,
    )
    finished = _conversation(agent, "Summer course, finished", [], by=by)
    _write(finished, "progress", "Done: fractions, percentages, equations.", by=by)
    update_conversation(finished, by=by, archived_at=timezone.now())


def _agent(
    organization: Organization,
    memory: list[BlockFields],
    *shared: Block,
    by: Actor,
    **fields: Unpack[AgentFields],
) -> Agent:
    fields["model"] = MODEL
    tools = named_tools(organization, BASE_TOOLS)
    return create_agent(
        organization, by=by, memory_blocks=memory, blocks=shared, tools=tools, **fields
    )


def _conversation(agent: Agent, summary: str, labels: list[str], *, by: Actor) -> Conversation:
    return create_conversation(agent, by=by, summary=summary, isolated_labels=labels)


def _write(conversation: Conversation, label: str, value: str, *, by: Actor) -> Block:
    return write_block(
        conversation.isolations.get(label=label).block,
        by=by,
        conversation=conversation,
        value=value,
    )


def _talk(conversation: Conversation, *texts: str, by: Actor) -> None:
    """Append messages of the user and the assistant in turn."""
    roles = [Message.Role.USER, Message.Role.ASSISTANT]
    messages = [text_message(roles[i % 2], text) for i, text in enumerate(texts)]
    append_messages(conversation, messages, by=by)


def _add_turn(conversation: Conversation, *, by: Actor) -> None:
    """Run a turn of two steps: a memory tool call, then the reply."""
    question = "I cancelled 30 hours before pick-up. What do I get back?"
    note = "Cancelled 30 hours before pick-up: refund in full."
    answer = "The full amount. You will see it on your account within three working days."
    arguments = json.dumps({"label": "case_notes", "new_string": note})
    steps: list[tuple[Chunk, Usage, Outcome | None]] = [
        (CallChunk(0, "call_demo_note", "memory_insert", arguments), Usage(612, 41), None),
        (TextChunk(answer), Usage(698, 33), Outcome(Run.Status.COMPLETED, "end_turn")),
    ]
    request = TurnRequest(
        [{"role": Message.Role.USER, "content": [{"type": "text", "text": question}]}]
    )
    run = start_run(conversation, by=by, request=request, worker=MEMBER, kind="send_message").run
    turn = begin_turn(run, MEMBER)
    for chunk, usage, outcome in steps:
        plan = plan_step(turn)
        reply = ModelReply(plan.step_id)
        reply.add(chunk)
        reply.add(usage)
        store_step(turn, plan, reply, {}, outcome=outcome)
