"""Every page is accessible and fits its viewport, light and dark, on a desktop and on a phone.

Markup in data is escaped. conftest.py has the checks that run in every test.
"""

import json
from importlib.resources import files

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from conversations.domain.conversations.accounts import issue_key
from conversations.domain.memory.blocks import write_block
from conversations.models import Agent, Block, BlockRevision, Conversation, Member, Message, Run

from ..admin.pages import list_url
from ..admin.world import MODELS
from ..factories import actor, make_agent, make_conversation, make_messages, make_run
from .chromium import DESKTOP, PHONE

pytestmark = pytest.mark.browser

AXE = (files("axe_playwright_python") / "axe.min.js").read_text()
LISTS = [Agent, Block, BlockRevision, Conversation, Member, Message, Run]
HOSTILE = '<script>document.title="owned"</script><img src=x onerror="document.title=\'owned\'">'
HOSTILE += "</textarea></pre><svg onload=\"document.title='owned'\"> {{ 7|add:7 }} javascript:1"


@pytest.fixture
def paths(alice) -> dict[str, str]:
    """Return the URLs of the pages by name; all their texts contain markup."""
    agent = make_agent(
        alice,
        name="Concierge",
        description=HOSTILE,
        system=HOSTILE,
        memory_blocks=[{"label": "policy", "value": f"one\n{HOSTILE}\nthree"}],
        labels=["persona"],
    )
    conversation = make_conversation(agent, isolated=["policy"], summary=HOSTILE)
    shared, own = agent.blocks.get(label="policy"), conversation.isolated_blocks.get()
    write_block(shared, by=actor(alice), value=f"one\n{HOSTILE} theirs\nthree", reason=HOSTILE)
    write_block(own, by=actor(alice), value=f"one\n{HOSTILE} mine\n{'long' * 60}", reason=HOSTILE)
    make_messages(conversation, HOSTILE, "x" * 300, *["short"] * 40)
    conversation.message_links.filter(position__lt=20, position__gt=0).update(in_context=False)
    make_run(conversation, status=Run.Status.FAILED, error=HOSTILE)
    key, _ = issue_key(alice, name=HOSTILE)

    def of(row, page="change", query=""):
        name = f"admin:conversations_{row._meta.model_name}_{page}"
        return reverse(name, args=[row.pk]) + query

    verbs = ["release", "promote", "reset", "rebase"]
    return {
        "index": "/admin/",
        "conversation": of(conversation),
        **{verb: of(conversation, verb, "?label=policy") for verb in verbs},
        "fork": of(conversation, "fork"),
        "timeline": of(conversation, "timeline"),
        "context": of(conversation, "context"),
        "block": of(shared),
        "isolated block": of(own),
        "restore": of(shared, "restore", "?number=1"),
        "agent": of(agent),
        "bulk": of(agent, "bulk", "?verb=rebase&label=policy"),
        "key": of(key),
        "add a conversation": "/admin/conversations/conversation/add/",
        "history": of(conversation, "history"),
        "delete": of(conversation, "delete"),
        "isolated blocks": "/admin/conversations/isolatedblock/?_facets=True",
        **{model.__name__: f"{list_url(model)}?state=all" for model in LISTS},
    }


def look(page, path):
    page.goto(path)
    expect(page.locator("[aria-busy]")).to_have_count(0)


def problems_in(page, theme) -> list[str]:
    """Return the serious and critical problems that axe finds, each with one location."""
    page.evaluate(AXE)
    options = {"resultTypes": ["violations"], "preload": False}
    if theme == "dark":
        options["runOnly"] = ["color-contrast", "link-in-text-block"]  # a theme only changes colors
    found = page.evaluate("options => axe.run(options)", options)["violations"]
    return [
        f"{problem['id']}: {problem['nodes'][0]['html'][:200]}"
        for problem in found
        if problem["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_pages_are_accessible_and_fit_viewport(size, theme, alice, paths, page_for):
    # The policy would block the styles of axe; the next test runs with the policy.
    page = page_for(alice, viewport=size, color_scheme=theme, bypass_csp=True)
    problems = {}

    for name, path in paths.items():
        look(page, path)
        found = problems_in(page, theme)
        wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        if wide > 0:
            found.append(f"{wide} pixels too wide")
        if found:
            problems[name] = found

    assert not problems, json.dumps(problems, indent=1)


def test_hostile_text_stays_text(alice, paths, page_for):
    page = page_for(alice)
    all_paths = {*paths.values(), *(f"{list_url(model)}?state=all" for model in MODELS)}

    for path in all_paths:
        look(page, path)
        assert page.title() != "owned", path
        assert page.locator("img[src=x], svg[onload]").count() == 0, path
        assert "14" not in page.locator("main").inner_text().split("javascript:1")[0][-20:], path


@pytest.mark.parametrize(
    ("page_name", "shown"), [("/docs/", "/v1/agents/"), ("/admin/login/", "Username")]
)
def test_public_pages_follow_content_security_policy(page_name, shown, page_for):
    page = page_for()

    look(page, page_name)

    expect(page.get_by_text(shown).first).to_be_visible()
