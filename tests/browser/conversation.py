"""The conversation of the browser tests, and the parts of its page."""

from django.urls import reverse
from playwright.sync_api import Page

from conversations.domain.memory.blocks import write_block
from conversations.models import Conversation

from ..factories import actor

LINES = "Refunds: 24 hours\nCalls: 9 to 17\nTone: warm"


def path_of(row) -> str:
    return reverse(f"admin:conversations_{row._meta.model_name}_change", args=[row.pk])


def section(page: Page, label: str):
    """Return the section of the memory panel for a label."""
    heading = page.get_by_role("heading", name=label, exact=True)
    return page.locator("section.label").filter(has=heading)


def text_of(conversation: Conversation, label: str) -> str:
    return conversation.isolations.get(label=label).block.value


def write(conversation, by, *, own=None, shared=None):
    if own is not None:
        write_block(conversation.isolations.get(label="policy").block, by=actor(by), value=own)
    if shared is not None:
        write_block(conversation.agent.blocks.get(label="policy"), by=actor(by), value=shared)
