"""Create rows for journeys and print them as JSON: `python -m tests.sdk.world <name>…`.

Each journey has its own organization, so its lists contain only its rows. Messages and runs that
need no model are created here.
"""

import json
import sys

import django


def main(names: list[str]) -> None:
    django.setup()
    print(json.dumps({name: make_world(name) for name in names}))


def make_world(name: str) -> dict:
    from conversations.domain.conversations.accounts import issue_key  # noqa: PLC0415 (after django.setup)
    from tests.factories import make_agent, make_member, make_organization  # noqa: PLC0415

    member = make_member(make_organization(name), f"alice-{name}")
    stranger = make_member(make_organization(f"{name}, elsewhere"), f"mallory-{name}")
    world = {
        "key": issue_key(member)[1],
        "read_key": issue_key(member, scope="read")[1],
        "user_id": member.pk,
        "strangers_agent": make_agent(stranger, labels=["human"]).pk,
    }
    return world | (make_history(member) if "history" in name else {})


def make_history(member) -> dict:
    """Create an agent with a conversation of nine messages and two runs."""
    from conversations.models import Conversation, Message, Run  # noqa: PLC0415
    from tests.factories import (  # noqa: PLC0415
        make_agent,
        make_conversation,
        make_messages,
        make_run,
    )

    agent = make_agent(member, labels=["human"])
    conversation = make_conversation(agent)
    texts = [f"message {number}" for number in range(1, 10)]
    messages = make_messages(conversation, *texts)
    own = Conversation.objects.get(agent=agent, is_default=True)
    make_messages(own, "to the agent itself")
    runs = [
        make_run(conversation, status=Run.Status.COMPLETED, stop_reason="end_turn"),
        make_run(conversation, status=Run.Status.RUNNING, background=True),
    ]
    system = conversation.message_links.get(position=0).message_id
    return {
        "agent": agent.pk,
        "conversation": conversation.pk,
        "texts": texts,
        "message_ids": [system, *(message.pk for message in messages)],
        "own_message_ids": [
            *Message.objects.filter(conversations=own)
            .order_by("conversation_links__position")
            .values_list("pk", flat=True)
        ],
        "run_ids": [run.pk for run in runs],
    }


if __name__ == "__main__":
    main(sys.argv[1:])
