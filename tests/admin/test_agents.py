import pytest
from django.urls import reverse

from conversations.domain.memory.blocks import delete_block, write_block
from conversations.models import Agent

from ..factories import actor, make_agent, make_block, make_conversation
from .pages import add_url, change_url, list_url, messages_of, open_form, save_form


def button(agent, name):
    return reverse(f"admin:conversations_agent_{name}", args=[agent.pk])


def test_add_agent_creates_default_conversation(alice, browser_of):
    browser_of(alice).post(
        add_url(Agent),
        {
            "name": "Helper",
            "model": "openai/gpt-4o-mini",
            "system": "Be kind.\r\nBe brief.",
            "tags": "a, b",
            "tool_names": "memory_insert",
            "context_window_limit": 1000,
            "timezone": "UTC",
            "agent_type": "letta_v1_agent",
        },
    )

    agent = Agent.objects.get()
    assert (agent.organization, agent.created_by) == (alice.organization, alice)
    assert (agent.tags, agent.metadata) == (["a", "b"], {})
    assert [tool.name for tool in agent.tools.all()] == ["memory_insert"]
    assert agent.system == "Be kind.\nBe brief."
    assert agent.conversations.get().is_default


def test_save_without_edit_changes_nothing(alice, browser_of):
    agent = make_agent(alice, labels=["human"], system=" a\nb ", tags=["x"], metadata={"k": [1]})
    before = Agent.objects.values().get()
    browser = browser_of(alice)

    response = save_form(browser, agent, open_form(browser, agent))

    assert response.redirect_chain
    after = Agent.objects.values().get()
    assert {**after, "updated_at": None} == {**before, "updated_at": None}


def test_policy_rejects_unknown_label(alice, browser_of):
    agent = make_agent(alice, labels=["human"])
    browser = browser_of(alice)
    data = open_form(browser, agent)

    refused = browser.post(change_url(agent), {**data, "isolated_labels": "human, nope"})
    save_form(browser, agent, {**data, "isolated_labels": "human"})

    [error] = refused.context["adminform"].form.non_field_errors()
    assert "has no block with label 'nope'" in error
    agent.refresh_from_db()
    assert agent.isolated_labels == ["human"]


@pytest.mark.parametrize(
    ("field", "value"),
    [("name", "no/slash"), ("timezone", "Mars/Olympus"), ("context_window_limit", "0")],
)
def test_error_is_shown_beside_field(field, value, alice, browser_of):
    agent = make_agent(alice)
    browser = browser_of(alice)
    data = open_form(browser, agent)

    response = browser.post(change_url(agent), {**data, field: value})

    assert set(response.context["adminform"].form.errors) == {field}


def test_attach_and_detach_block(alice, browser_of):
    agent = make_agent(alice, labels=["human"])
    block = make_block(alice, label="policy")
    browser = browser_of(alice)

    browser.post(button(agent, "attach"), {"block": block.pk})
    assert [x.label for x in agent.block_links.in_prompt_order()] == ["human", "policy"]

    page = browser.get(change_url(agent)).content.decode()
    assert change_url(block) in page
    browser.post(button(agent, "detach"), {"block": block.pk})
    assert [x.label for x in agent.block_links.all()] == ["human"]


def test_move_block_up_and_down(alice, browser_of):
    agent = make_agent(alice, labels=["a", "b", "c"])
    block = agent.blocks.get(label="c")
    browser = browser_of(alice)

    browser.post(button(agent, "move"), {"up": block.pk})
    assert [x.label for x in agent.block_links.in_prompt_order()] == ["a", "c", "b"]
    done = browser.post(button(agent, "move"), {"down": block.pk}, follow=True)
    assert messages_of(done)[-1] == "Moved the block c down."
    assert [x.label for x in agent.block_links.in_prompt_order()] == ["a", "b", "c"]


def test_approval_tools_are_saved(alice, browser_of):
    agent = make_agent(alice, tools=["memory_insert", "memory_replace"])
    browser = browser_of(alice)

    save_form(browser, agent, {**open_form(browser, agent), "approval_tools": "memory_replace"})

    agent.refresh_from_db()
    assert agent.approval_tools == {"memory_replace"}


@pytest.mark.parametrize("name", ["human", "q&a #1/100%", "a+b=é"])
def test_isolated_blocks_are_counted_by_drift_with_links(name, alice, browser_of):
    agent = make_agent(alice, labels=[name])
    conversations = [make_conversation(agent, isolated=[name]) for _ in range(3)]
    write_block(conversations[0].isolated_blocks.get(), by=actor(alice), value="own")
    browser = browser_of(alice)

    [(label, counts)] = browser.get(button(agent, "drift")).context["labels"]

    assert label == name
    assert {drift: number for drift, number, _ in counts if number} == {
        "in_sync": 2,
        "isolated_changed": 1,
    }
    for _, number, url in counts:
        assert browser.get(url).context["cl"].result_count == number


def test_bulk_rebase_previews_first(alice, browser_of):
    lines = {"label": "human", "value": "one\ntwo\nthree"}
    agent = make_agent(alice, memory_blocks=[lines])
    mine, theirs = (make_conversation(agent, isolated=["human"]) for _ in range(2))
    write_block(mine.isolated_blocks.get(), by=actor(alice), value="one\ntwo\nTHREE")
    write_block(theirs.isolated_blocks.get(), by=actor(alice), value="1\ntwo\nthree")
    write_block(agent.blocks.get(), by=actor(alice), value="ONE\ntwo\nthree")
    browser = browser_of(alice)
    url = f"{button(agent, 'bulk')}?verb=rebase&label=human"

    asked = browser.get(url)
    assert asked.context["report"].counts == {"applied": 1, "conflict": 1}
    assert mine.isolated_blocks.get().value == "one\ntwo\nTHREE"

    done = browser.post(url)
    assert done.context["report"].counts == {"applied": 1, "conflict": 1}
    assert mine.isolated_blocks.get().value == "ONE\ntwo\nTHREE"
    assert theirs.isolated_blocks.get().value == "1\ntwo\nthree"


@pytest.mark.parametrize("query", ["verb=reset&label=nope", "verb=destroy&label=human", ""])
def test_invalid_bulk_request_is_reported(query, alice, browser_of):
    agent = make_agent(alice, labels=["human"])

    reply = browser_of(alice).post(f"{button(agent, 'bulk')}?{query}", follow=True)

    assert reply.redirect_chain
    assert messages_of(reply)


def test_bulk_requires_permission_to_change_conversations(alice, mallory, browser_of):
    agent = make_agent(alice, labels=["human"])
    conversation = make_conversation(agent, isolated=["human"])
    write_block(conversation.isolated_blocks.get(), by=actor(alice), value="own")
    alice.user.user_permissions.remove(
        alice.user.user_permissions.get(codename="change_conversation")
    )
    url = f"{button(agent, 'bulk')}?verb=reset&label=human"

    assert browser_of(alice).post(url).status_code == 403
    assert browser_of(mallory).post(url).status_code == 302
    assert conversation.isolated_blocks.get().value == "own"


def test_only_attachable_blocks_are_suggested(alice, browser_of):
    agent = make_agent(alice, labels=["human"])
    make_conversation(agent, isolated=["human"])
    delete_block(make_block(alice, label="gone"), by=actor(alice))

    reply = browser_of(alice).get(
        "/admin/autocomplete/",
        {"app_label": "conversations", "model_name": "agentblock", "field_name": "block"},
    )

    assert [result["text"] for result in reply.json()["results"]] == ["human: about human"]


def test_attach_rejects_unattachable_block(alice, mallory, root, browser_of):
    agent = make_agent(alice, labels=["human"])
    stranger = make_block(mallory, label="policy")
    own = make_conversation(agent, isolated=["human"]).isolated_blocks.get()
    twin = make_block(alice, label="human")
    browser = browser_of(root)

    for block in (stranger, own):
        reply = browser.post(button(agent, "attach"), {"block": block.pk}, follow=True)
        assert "not one of the available choices" in messages_of(reply)[0]
    reply = browser.post(button(agent, "attach"), {"block": twin.pk}, follow=True)
    assert "already has a block with label 'human'" in messages_of(reply)[0]
    reply = browser.post(button(agent, "attach"), {"block": "nonsense"}, follow=True)
    assert len(messages_of(reply)) == 1

    assert [x.label for x in agent.block_links.all()] == ["human"]


def test_stranger_cannot_attach_or_detach(alice, mallory, browser_of):
    agent = make_agent(alice, labels=["human"])
    browser = browser_of(mallory)

    attach = browser.post(button(agent, "attach"), {"block": make_block(mallory, label="x").pk})
    detach = browser.post(button(agent, "detach"), {"block": agent.blocks.get().pk})
    move = browser.post(button(agent, "move"), {"up": agent.blocks.get().pk})

    assert attach.status_code == detach.status_code == move.status_code == 302
    assert [x.label for x in agent.block_links.all()] == ["human"]


def test_delete_agent_hides_conversations_until_restored(alice, browser_of):
    agent = make_agent(alice, labels=["human"])
    conversation = make_conversation(agent)
    browser = browser_of(alice)

    browser.post(change_url(agent).replace("/change/", "/delete/"), {"post": "yes"})
    agent.refresh_from_db()
    assert agent.deleted_at is not None
    assert not browser.get(list_url(Agent)).context["cl"].result_list
    assert not browser.get(list_url(type(conversation))).context["cl"].result_list

    bulk = {"action": "restore_selected", "_selected_action": agent.pk, "confirmed": "Yes"}
    browser.post(f"{list_url(Agent)}?state=deleted", bulk)
    agent.refresh_from_db()
    assert agent.deleted_at is None


@pytest.mark.parametrize("count", [1, 5])
def test_agent_page_query_count_is_constant(
    count, root, alice, browser_of, django_assert_num_queries
):
    agent = make_agent(alice, labels=[f"label{n}" for n in range(count)])
    for _ in range(count):
        make_conversation(agent)
    browser = browser_of(root)
    browser.get(change_url(agent))  # Django looks up the content type once per process

    # The session and the user, the agent with related rows, the attached blocks, tools and
    # variables, the number of conversations; the users and the organization that the details name.
    with django_assert_num_queries(11):
        browser.get(change_url(agent))
