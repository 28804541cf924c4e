"""Time the console's pages for a conversation of 10,000 messages and 20 isolated blocks.

Part of `make bench`.
"""

import http.client

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client

from conversations.domain.conversations.agents import create_agent
from conversations.domain.conversations.conversations import create_conversation
from conversations.domain.conversations.messages import append_messages, text_message
from conversations.domain.memory.blocks import write_block

BLOCKS = 20
MESSAGES = 10_000


class Console:
    """A staff user and the conversation whose pages are timed.

    Of the isolated blocks, half are edited; for every fourth, the shared block is edited too.
    """

    def __init__(self, world, text: str):
        labels = [f"label_{n}" for n in range(BLOCKS)]
        memory = [{"label": label, "value": f"{label}: {text}"} for label in labels]
        agent = create_agent(
            world.agent.organization, by=world.by, model="scripted/demo", memory_blocks=memory
        )
        conversation = create_conversation(agent, by=world.by, isolated_labels=labels)
        for label in labels[::2]:
            own = conversation.isolations.get(label=label).block
            write_block(own, by=world.by, value=f"{own.value} Edited here.")
        for label in labels[::4]:
            shared = agent.blocks.get(label=label)
            write_block(shared, by=world.by, value=f"Edited for all. {shared.value}")
        for start in range(0, MESSAGES, 1000):
            append_messages(
                conversation,
                [
                    text_message(["user", "assistant"][n % 2], f"Message {n}. {text}")
                    for n in range(start, start + 1000)
                ],
                by=world.by,
            )
        self.cookie = login(world.by.member)
        at = f"/admin/conversations/conversation/{conversation.pk}"
        shared = world.agent.block_links.get(label="policy").block_id
        self.pages = [
            ("conversation", f"{at}/change/"),
            ("older messages", f"{at}/timeline/?before=5000"),
            ("context window", f"{at}/context/"),
            ("shared block with history", f"/admin/conversations/block/{shared}/change/"),
            ("list conversations", "/admin/conversations/conversation/"),
            ("agent", f"/admin/conversations/agent/{world.agent.pk}/change/"),
            ("agent: drift counts", f"/admin/conversations/agent/{world.agent.pk}/drift/"),
            ("index: counts", "/admin/counts/"),
        ]

    def caller(self, port: int, path: str):
        connection = http.client.HTTPConnection("127.0.0.1", port)

        def call():
            connection.request("GET", path, headers={"Cookie": self.cookie})
            response = connection.getresponse()
            page = response.read()
            if response.status != 200:
                raise SystemExit(f"GET {path}: {response.status} {page[:300]!r}")

        return call


def login(member) -> str:
    """Return the session cookie of a new staff user with every permission."""
    member.user = get_user_model().objects.create_user(member.name, is_staff=True)
    member.save()
    user = member.user
    user.user_permissions.set(Permission.objects.all())
    client = Client()
    client.force_login(user)
    return f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"
