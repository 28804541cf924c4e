"""A real browser on a live server.

In every test, no page sends a request to another origin, violates the content security policy or
raises an error in its script.
"""

import os
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.contrib.auth.models import Permission
from django.test import Client
from playwright.sync_api import Browser, Page, expect

from conversations.models import Conversation, Member

from ..factories import make_agent, make_conversation
from .chromium import DESKTOP, MISSING, chromium, chromium_path
from .conversation import LINES

TIMEOUT = 30_000  # milliseconds
expect.set_options(timeout=TIMEOUT)


@pytest.fixture(scope="module")
def running_chromium() -> Iterator[Browser]:
    if chromium_path() is None:
        pytest.skip(MISSING)
    # Playwright runs an event loop in this thread, where Django forbids queries by default.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with chromium() as browser:
        yield browser
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def page_for(running_chromium, live_server):
    """Return a function: `page_for(member)` is a page logged in as its Django user."""
    contexts, complaints = [], []
    own = urlsplit(live_server.url).netloc

    def make(member: Member | None = None, **options) -> Page:
        options = {"viewport": DESKTOP, "base_url": live_server.url, **options}
        context = running_chromium.new_context(**options)
        contexts.append(context)
        context.set_default_timeout(TIMEOUT)
        if member:
            client = Client()
            client.force_login(member.user)
            session = client.cookies[settings.SESSION_COOKIE_NAME].value
            cookie = {"name": settings.SESSION_COOKIE_NAME, "value": session}
            context.add_cookies([{**cookie, "url": live_server.url}])
        context.on("request", lambda request: check_origin(request.url))
        page = context.new_page()
        page.on("console", lambda message: check_console(message))
        page.on("pageerror", lambda error: complaints.append(f"script: {error}"))
        return page

    def check_origin(url):
        if urlsplit(url).scheme in ("http", "https", "ws") and urlsplit(url).netloc != own:
            complaints.append(f"a request to {url}")

    def check_console(message):
        if message.type == "error":
            complaints.append(f"console: {message.text} {message.location}")

    yield make
    for context in contexts:
        context.close()
    assert complaints == []


def make_staff(member: Member, *codenames: str) -> Member:
    """Grant the member's Django user these permissions, or all of them."""
    member.user.is_staff = True
    member.user.save()
    permissions = Permission.objects.all()
    chosen = permissions.filter(codename__in=codenames) if codenames else permissions
    member.user.user_permissions.set(chosen)
    return member


@pytest.fixture
def alice(alice):
    return make_staff(alice)


@pytest.fixture
def bob(bob):
    """Return Alice's colleague, who may view everything and change nothing."""
    views = Permission.objects.filter(codename__startswith="view_")
    return make_staff(bob, *views.values_list("codename", flat=True))


@pytest.fixture
def mallory(mallory):
    return make_staff(mallory)


@pytest.fixture(autouse=True)
def _rows_are_flushed(transactional_db):
    """Commit rows: the server has its own connections."""


@pytest.fixture
def conversation(alice) -> Conversation:
    agent = make_agent(
        alice,
        name="Concierge",
        labels=["persona"],
        memory_blocks=[{"label": "policy", "value": LINES}],
    )
    return make_conversation(agent, summary="A large customer")
