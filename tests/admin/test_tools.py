"""The pages of tools, and the secrets of an agent."""

from conversations.domain.tools.catalog import named_tools
from conversations.domain.tools.variables import MASK, variables_of
from conversations.models import Tool

from ..factories import make_agent, make_tool
from .pages import add_url, change_url, open_form, save_form

SOURCE = 'def roll(sides: int):\r\n    """Roll a die."""\r\n    return sides\r\n'


def test_added_tool_gets_the_schema_of_its_source(alice, browser_of):
    data = {"source_code": SOURCE, "return_char_limit": 1000, "tags": "dice"}

    browser_of(alice).post(add_url(Tool), data)

    tool = Tool.objects.get(tool_type=Tool.CUSTOM)
    assert (tool.name, tool.organization, tool.tags) == ("roll", alice.organization, ["dice"])
    assert tool.json_schema["parameters"]["required"] == ["sides"]


def test_wrong_source_is_reported_and_not_saved(alice, browser_of):
    tool = make_tool(alice, "echo")
    browser = browser_of(alice)

    refused = browser.post(
        change_url(tool), {**open_form(browser, tool), "source_code": "def echo(:"}
    )

    [error] = refused.context["adminform"].form.non_field_errors()
    assert "Failed to parse source code" in error
    tool.refresh_from_db()
    assert tool.source_code.startswith("def echo(text")


def test_only_superusers_open_the_network(alice, root, browser_of):
    tool = make_tool(alice, "echo")
    for user, expected in ((alice, False), (root, True)):
        browser = browser_of(user)
        save_form(browser, tool, {**open_form(browser, tool), "network": "on"})
        tool.refresh_from_db()
        assert tool.network is expected


def test_built_in_tool_is_shown_and_not_changed(alice, browser_of):
    [tool] = named_tools(alice.organization, ["memory_insert"])
    browser = browser_of(alice)

    assert browser.get(change_url(tool)).status_code == 200
    assert browser.post(change_url(tool), {"source_code": SOURCE}).status_code == 403


def test_secrets_are_written_and_not_shown(alice, browser_of):
    agent = make_agent(alice, variables={"A": "tide", "B": "b"})
    browser = browser_of(alice)
    data = open_form(browser, agent)

    save_form(browser, agent, {**data, "secrets": f"A={MASK}\r\nC=x=y"})

    assert variables_of(agent) == {"A": "tide", "C": "x=y"}
    assert "tide" not in browser.get(change_url(agent)).content.decode()
