"""Lists keep their order, export CSV and confirm actions on many rows."""

import csv
import io

from conversations.domain.conversations.accounts import issue_key
from conversations.domain.memory.blocks import write_block
from conversations.models import ApiKey, Block, Conversation, IsolatedBlock, Run

from ..factories import actor, make_agent, make_block, make_conversation, make_run
from .pages import fields_of, list_url, messages_of


def test_list_keeps_order_per_session(alice, bob, browser_of):
    for label in ("b", "a", "c"):
        make_block(alice, label=label)
    browser = browser_of(alice)

    def labels(browser, **query):
        page = browser.get(list_url(Block), query)
        return [block.label for block in page.context["cl"].result_list]

    assert labels(browser, o="1") == ["a", "b", "c"]
    assert labels(browser) == ["a", "b", "c"]
    assert labels(browser, o="-1") == ["c", "b", "a"]
    assert labels(browser, q="b") == ["b"]
    assert labels(browser) == ["c", "b", "a"]
    assert labels(browser_of(bob)) == ["c", "a", "b"]


def test_csv_export_has_columns_ids_and_no_formulas(alice, browser_of):
    agent = make_agent(alice, labels=["human"], name="Ada's helper")
    evil = make_conversation(agent, summary='=HYPERLINK("http://evil")', isolated=["human"])
    plain = make_conversation(agent, summary="<b>plain</b>, and more")
    data = {"action": "export_as_csv", "_selected_action": [evil.pk, plain.pk]}

    reply = browser_of(alice).post(list_url(Conversation), data)

    rows = list(csv.DictReader(io.StringIO(reply.getvalue().decode())))
    assert reply.headers["Content-Disposition"] == 'attachment; filename="conversations.csv"'
    assert {row["conversation"] for row in rows} == {
        '\'=HYPERLINK("http://evil")',
        "<b>plain</b>, and more",
    }
    assert {row["isolated labels"] for row in rows} == {"human", ""}
    assert {row["id"] for row in rows} == {evil.pk, plain.pk}
    assert {row["agent"] for row in rows} == {"Ada's helper"}


def test_csv_export_stays_in_organization(alice, mallory, browser_of):
    theirs = make_block(alice, label="secret")
    own = make_block(mallory, label="own")
    data = {"action": "export_as_csv", "_selected_action": [theirs.pk, own.pk]}

    reply = browser_of(mallory).post(list_url(Block), data)

    assert "own" in reply.getvalue().decode()
    assert "secret" not in reply.getvalue().decode()


def test_revoke_selected_keys_asks_first(alice, browser_of):
    key, _ = issue_key(alice)
    browser = browser_of(alice)

    asked = browser.post(
        list_url(ApiKey), {"action": "revoke_selected", "_selected_action": key.pk}
    )
    assert key.prefix in asked.content.decode()
    key.refresh_from_db()
    assert key.revoked_at is None

    browser.post(list_url(ApiKey), {**fields_of(asked, "confirm"), "confirmed": "Yes"})
    key.refresh_from_db()
    assert key.revoked_at is not None


def test_bulk_reset_of_several_agents_previews_first(alice, browser_of):
    conversations = [
        make_conversation(make_agent(alice, labels=["human"]), isolated=["human"]) for _ in range(2)
    ]
    for conversation in conversations:
        write_block(conversation.isolated_blocks.get(), by=actor(alice), value="own")
    ids = [conversation.isolations.get().pk for conversation in conversations]
    browser = browser_of(alice)
    chosen = {"action": "reset_selected", "_selected_action": ids}

    asked = browser.post(list_url(IsolatedBlock), chosen)
    assert asked.context["report"].counts == {"applied": 2}
    assert [c.isolated_blocks.get().value for c in conversations] == ["own", "own"]

    done = browser.post(list_url(IsolatedBlock), {**chosen, "confirmed": "Yes"}, follow=True)
    assert messages_of(done) == ["Reset: 2 applied."]
    assert [c.isolated_blocks.get().value for c in conversations] == ["about human"] * 2


def test_bulk_reset_requires_change_permission(alice, mallory, browser_of):
    conversation = make_conversation(make_agent(alice, labels=["human"]), isolated=["human"])
    write_block(conversation.isolated_blocks.get(), by=actor(alice), value="own")
    alice.user.user_permissions.remove(
        alice.user.user_permissions.get(codename="change_conversation")
    )
    data = {"action": "reset_selected", "_selected_action": conversation.isolations.get().pk}

    for user in (alice, mallory):
        browser_of(user).post(list_url(IsolatedBlock), {**data, "confirmed": "Yes"})

    assert conversation.isolated_blocks.get().value == "own"


def test_archive_and_unarchive_selected_ask_first(alice, browser_of):
    conversation = make_conversation(make_agent(alice))
    browser = browser_of(alice)
    data = {"action": "archive_selected", "_selected_action": conversation.pk}

    browser.post(list_url(Conversation), data)
    conversation.refresh_from_db()
    assert conversation.archived_at is None
    browser.post(list_url(Conversation), {**data, "confirmed": "Yes"})
    conversation.refresh_from_db()
    assert conversation.archived_at is not None
    archived = browser.get(list_url(Conversation), {"state": "archived"}).context["cl"]
    assert [row.pk for row in archived.result_list] == [conversation.pk]

    data = {"action": "unarchive_selected", "_selected_action": conversation.pk}
    browser.post(f"{list_url(Conversation)}?state=archived", {**data, "confirmed": "Yes"})
    conversation.refresh_from_db()
    assert conversation.archived_at is None


def test_index_counts_match_linked_lists(alice, mallory, browser_of):
    agent = make_agent(alice, labels=["human"])
    edited = make_conversation(agent, isolated=["human"])
    write_block(edited.isolated_blocks.get(), by=actor(alice), value="own", limit=3)
    make_run(edited, status=Run.Status.FAILED)
    make_agent(mallory)
    browser = browser_of(alice)

    figures = {f.title: f for f in browser.get("/admin/counts/").context["figures"]}

    numbers = {title: figure.number for title, figure in figures.items() if figure.number}
    assert numbers == {
        "conversations": 2,
        "isolated changed": 1,
        "runs failed": 1,
        "isolated blocks nearly full": 1,
    }
    for figure in figures.values():
        listed = browser.get(figure.url).context["cl"]
        assert listed.result_count == figure.number


def test_index_counts_require_view_permission(alice, browser_of):
    make_agent(alice)
    alice.user.user_permissions.clear()

    assert browser_of(alice).get("/admin/counts/").context["figures"] == []


def test_runs_filter_by_error_type(alice, browser_of):
    conversation = make_conversation(make_agent(alice))
    failed = make_run(conversation, status=Run.Status.FAILED, error_type="llm_timeout")
    make_run(conversation, status=Run.Status.FAILED, error_type="internal_error")

    page = browser_of(alice).get(list_url(Run), {"error_type": "llm_timeout"})

    assert [run.pk for run in page.context["cl"].result_list] == [failed.pk]
    assert '<td class="field-error_type">llm_timeout</td>' in page.content.decode()
