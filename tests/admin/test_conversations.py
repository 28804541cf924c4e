import pytest
from django.urls import reverse

from conversations.domain.conversations.agents import delete_agent
from conversations.domain.memory.blocks import write_block
from conversations.domain.memory.effective import effective_blocks
from conversations.models import Conversation, IsolatedBlock

from ..factories import actor, make_agent, make_conversation, make_messages
from .pages import (
    add_url,
    change_url,
    fields_of,
    list_url,
    messages_of,
    open_form,
    save_form,
)


def button(conversation, name, label=None):
    url = reverse(f"admin:conversations_conversation_{name}", args=[conversation.pk])
    return f"{url}?label={label}" if label else url


def texts(conversation) -> dict[str, str]:
    return {e.label: e.block.value for e in effective_blocks(conversation)}


@pytest.fixture
def conversation(alice) -> Conversation:
    """Create a conversation that reads the shared `persona` and has isolated `human`."""
    agent = make_agent(alice, labels=["persona", "human"])
    return make_conversation(agent, isolated=["human"], summary="About Ada")


def test_isolate_edit_and_release_label(bob, conversation, browser_of):
    browser = browser_of(bob)

    browser.post(button(conversation, "isolate", "persona"))
    data = open_form(browser, conversation)
    save_form(browser, conversation, {**data, "isolations-1-value": "own persona"})

    assert texts(conversation) == {"persona": "own persona", "human": "about human"}
    block = conversation.isolations.get(label="persona").block
    newest = block.revisions.first()
    assert (newest.number, newest.source, newest.written_by) == (2, "admin", bob)

    asked = browser.get(button(conversation, "release", "persona"))
    assert "own persona" in asked.content.decode()
    assert texts(conversation)["persona"] == "own persona"

    browser.post(button(conversation, "release", "persona"), fields_of(asked, "confirm"))
    assert texts(conversation) == {"persona": "about persona", "human": "about human"}


def test_unedited_text_is_not_written(alice, bob, conversation, browser_of):
    browser = browser_of(bob)
    data = open_form(browser, conversation)
    block = conversation.isolated_blocks.get()
    write_block(block, by=actor(alice), value="edited meanwhile")

    save_form(browser, conversation, {**data, "summary": "About Grace"})

    block.refresh_from_db()
    conversation.refresh_from_db()
    assert (block.value, block.version) == ("edited meanwhile", 2)
    assert conversation.summary == "About Grace"


def test_stale_text_rejects_whole_save(alice, bob, conversation, browser_of):
    browser = browser_of(bob)
    data = open_form(browser, conversation)
    block = conversation.isolated_blocks.get()
    write_block(block, by=actor(alice), value="alice's")

    response = browser.post(
        change_url(conversation),
        {**data, "summary": "About Grace", "isolations-0-value": "bob's"},
    )

    page = response.content.decode()
    assert response.status_code == 200
    assert "alice&#x27;s</pre>" in page
    assert "bob&#x27;s</textarea>" in page
    [row] = [row for row in response.context["memory_rows"] if row.form]
    assert "version 2" in row.form.errors["value"][0]
    block.refresh_from_db()
    conversation.refresh_from_db()
    assert (block.value, conversation.summary) == ("alice's", "About Ada")
    assert messages_of(response) == []


def test_text_over_limit_is_error_of_its_form(alice, conversation, browser_of):
    block = write_block(conversation.isolated_blocks.get(), by=actor(alice), limit=12)
    browser = browser_of(alice)
    data = open_form(browser, conversation)

    response = browser.post(
        change_url(conversation), {**data, "isolations-0-value": "much longer than that"}
    )

    [row] = [row for row in response.context["memory_rows"] if row.form]
    assert row.form.errors == {"value": ["Expected at most 12 characters in block 'human', got 21"]}
    assert "much longer than that</textarea>" in response.content.decode()
    block.refresh_from_db()
    assert (block.value, block.version) == ("about human", 2)


def test_undo_and_redo_are_disabled_without_history(alice, conversation, browser_of):
    browser = browser_of(alice)

    def moves():
        [row] = [r for r in browser.get(change_url(conversation)).context["memory_rows"] if r.form]
        return tuple(row.moves)

    before = moves()
    block = write_block(conversation.isolated_blocks.get(), by=actor(alice), value="edited")
    edited = moves()
    browser.post(button(conversation, "undo", "human"), {"version": block.version})
    undone = moves()
    browser.post(button(conversation, "redo", "human"), {"version": block.version + 1})

    assert [before, edited, undone, moves()] == [
        (False, False),
        (True, False),
        (False, True),
        (True, False),
    ]
    assert browser.get(change_url(conversation)).content.decode().count(" disabled>Redo") == 1


def test_text_of_released_label_is_shown_again(alice, conversation, browser_of):
    browser = browser_of(alice)
    data = open_form(browser, conversation)
    browser.post(button(conversation, "release", "human"), {"version": 1})

    response = browser.post(
        change_url(conversation), {**data, "isolations-0-value": "typed for nothing"}
    )

    assert response.status_code == 200
    assert "typed for nothing" in response.content.decode()
    assert texts(conversation)["human"] == "about human"


def test_page_shows_drift(alice, conversation, browser_of):
    shared = conversation.agent.blocks.get(label="human")
    browser = browser_of(alice)

    write_block(shared, by=actor(alice), value="shared moved")
    write_block(conversation.isolated_blocks.get(), by=actor(alice), value="so did this")
    diverged = browser.get(change_url(conversation)).content.decode()
    browser.post(
        reverse("admin:conversations_agent_detach", args=[conversation.agent_id]),
        {"block": shared.pk},
    )
    gone = browser.get(change_url(conversation)).content.decode()

    assert "badge-drift-diverged" in diverged
    assert "badge-drift-shared_gone" in gone
    assert "so did this" in gone


def test_list_filters_by_drift(alice, browser_of):
    agent = make_agent(alice, labels=["human"])
    calm = make_conversation(agent, isolated=["human"])
    edited = make_conversation(agent, isolated=["human"])
    write_block(edited.isolated_blocks.get(), by=actor(alice), value="own")
    browser = browser_of(alice)

    found = {
        drift: [
            row.conversation_id
            for row in browser.get(list_url(IsolatedBlock), {"drift": drift})
            .context["cl"]
            .result_list
        ]
        for drift in ("in_sync", "isolated_changed", "diverged")
    }

    assert found == {"in_sync": [calm.pk], "isolated_changed": [edited.pk], "diverged": []}


def test_stale_prompt_notice_ends_with_recompile(alice, conversation, browser_of):
    browser = browser_of(alice)
    fresh = browser.get(change_url(conversation)).context["is_stale"]
    write_block(conversation.isolated_blocks.get(), by=actor(alice), value="own human")

    stale = browser.get(change_url(conversation))
    browser.post(button(conversation, "recompile"))
    after = browser.get(change_url(conversation)).context["is_stale"]

    assert (fresh, stale.context["is_stale"], after) == (False, True, False)
    assert "Recompile now" in stale.content.decode()
    system = conversation.message_links.get(position=0).message
    assert "own human" in system.text


def test_unknown_label_is_reported(alice, conversation, browser_of):
    browser = browser_of(alice)

    isolate = browser.post(button(conversation, "isolate", "nope"), follow=True)
    release = browser.get(button(conversation, "release", "persona"), follow=True)

    assert "has no block with label 'nope'" in messages_of(isolate)[0]
    assert "has not isolated the label 'persona'" in messages_of(release)[0]


def test_view_permission_alone_shows_no_buttons(bob, conversation, browser_of):
    bob.user.user_permissions.remove(
        *bob.user.user_permissions.filter(codename__startswith="change_")
    )
    browser = browser_of(bob)

    page = browser.get(change_url(conversation)).content.decode()
    refused = browser.post(change_url(conversation), {"summary": "mine"})

    assert "about human" in page
    assert "<textarea" not in page
    assert "Release" not in page
    assert 'class="button' not in page
    assert refused.status_code == 403


def test_add_conversation_with_isolated_labels(alice, browser_of):
    agent = make_agent(alice, labels=["human"])
    browser = browser_of(alice)

    wrong = browser.post(add_url(Conversation), {"agent": agent.pk, "isolated_labels": "nope"})
    browser.post(add_url(Conversation), {"agent": agent.pk, "isolated_labels": "human"})

    [error] = wrong.context["adminform"].form.non_field_errors()
    assert "has no block with label 'nope'" in error
    added = agent.conversations.get(is_default=False)
    assert added.created_by == alice
    assert [i.label for i in added.isolations.all()] == ["human"]
    assert added.message_links.get().message.role == "system"


def test_foreign_agent_is_rejected(alice, mallory, browser_of):
    theirs = make_agent(alice)

    response = browser_of(mallory).post(add_url(Conversation), {"agent": theirs.pk})

    assert "agent" in response.context["adminform"].form.errors
    assert not theirs.conversations.filter(is_default=False).exists()


def test_fields_are_saved_and_cleared(alice, conversation, browser_of):
    browser = browser_of(alice)
    data = open_form(browser, conversation)

    save_form(
        browser,
        conversation,
        {
            **data,
            "summary": "",
            "model": "a/b",
            "model_settings": '{"a": 1}',
        },
    )

    conversation.refresh_from_db()
    assert (conversation.summary, conversation.model) == (None, "a/b")
    assert conversation.model_settings == {"a": 1}
    assert (conversation.version, conversation.last_updated_by) == (2, alice)


def test_invalid_model_is_form_error(alice, conversation, browser_of):
    browser = browser_of(alice)
    data = open_form(browser, conversation)

    response = browser.post(
        change_url(conversation), {**data, "model": "nonsense", "context_window_limit": "0"}
    )

    assert response.status_code == 200
    assert response.context["errors"]
    conversation.refresh_from_db()
    assert conversation.model is None


def test_delete_asks_and_names_consequence(alice, conversation, browser_of):
    browser = browser_of(alice)
    bulk = {"action": "delete_selected", "_selected_action": conversation.pk}

    one = browser.get(change_url(conversation).replace("/change/", "/delete/"))
    many = browser.post(list_url(Conversation), bulk)

    assert "Its isolated blocks are hidden with it." in one.content.decode()
    assert many.context["deletable_objects"] == [["About Ada"]]
    conversation.refresh_from_db()
    assert conversation.deleted_at is None


def test_bulk_delete_names_some_rows_and_counts_rest(alice, conversation, browser_of):
    pks = [make_conversation(conversation.agent, summary=f"talk {n}").pk for n in range(30)]
    bulk = {"action": "delete_selected", "_selected_action": pks}

    asked = browser_of(alice).post(list_url(Conversation), bulk).content.decode()

    assert asked.count("<li>talk ") == 20
    assert "and 10 more" in asked


def test_deleted_conversation_is_hidden_until_restored(alice, conversation, browser_of):
    browser = browser_of(alice)
    pks = {"_selected_action": conversation.pk}

    browser.post(list_url(Conversation), {"action": "delete_selected", "post": "yes", **pks})
    hidden = browser.get(list_url(Conversation)).context["cl"].result_list
    assert conversation.pk not in {c.pk for c in hidden}
    assert browser.post(change_url(conversation), {"summary": "x"}).status_code == 403

    browser.post(
        f"{list_url(Conversation)}?state=deleted",
        {"action": "restore_selected", "confirmed": "Yes", **pks},
    )
    conversation.refresh_from_db()
    assert conversation.deleted_at is None
    assert texts(conversation)["human"] == "about human"


def test_deleted_rows_are_read_only(alice, conversation, browser_of):
    block = conversation.isolated_blocks.get()
    delete_agent(conversation.agent, by=actor(alice))
    browser = browser_of(alice)

    pages = [browser.get(change_url(row)) for row in (conversation, block, conversation.agent)]
    refused = [
        browser.post(change_url(conversation), {"summary": "x"}),
        browser.post(change_url(block), {"value": "x", "version": 1}),
        browser.post(button(conversation, "isolate", "persona")),
    ]

    for page in pages:
        assert page.status_code == 200
        assert "<textarea" not in page.content.decode()
    assert [reply.status_code for reply in refused] == [403, 403, 403]


def test_default_conversation_cannot_be_deleted(alice, conversation, browser_of):
    default = conversation.agent.conversations.get(is_default=True)
    browser = browser_of(alice)
    bulk = {"action": "delete_selected", "post": "yes", "_selected_action": default.pk}

    response = browser.post(list_url(Conversation), bulk)

    assert response.context["protected"] == [f"default of {default.agent}"]
    default.refresh_from_db()
    assert default.deleted_at is None


@pytest.mark.parametrize("count", [1, 5])
def test_conversation_page_query_count_is_constant(
    count, root, alice, browser_of, django_assert_num_queries
):
    labels = [f"label{n}" for n in range(count)]
    conversation = make_conversation(make_agent(alice, labels=labels), isolated=labels)
    make_messages(conversation, *["hello"] * count)
    browser = browser_of(root)
    browser.get(change_url(conversation))  # Django looks up the content type once per process

    # The session and the user, the conversation with its isolations, agent and organization, the
    # isolated blocks of the form, the effective blocks (2), the undo state, the
    # released labels, the runs, the messages, the changes between them; then the users and the
    # others that the details name.
    with django_assert_num_queries(16):
        browser.get(change_url(conversation))
