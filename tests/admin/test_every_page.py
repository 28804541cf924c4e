"""Every page of every model opens, runs few queries and keeps organizations apart."""

import pytest
from django.contrib import admin

from conversations.models import Agent, Block, Conversation, IsolatedBlock, Member, Organization

from .pages import add_url, change_url, list_url, messages_of
from .world import MODELS, WRITABLE, make_world

every_model = pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)


def all_states(model):
    """Return the query string of a list without default filters."""
    return {"state": "all"} if getattr(admin.site._registry[model], "states", None) else {}


def test_every_model_is_registered():
    registered = {model for model in admin.site._registry if model._meta.app_label != "auth"}

    assert registered == set(MODELS)


@every_model
def test_superuser_opens_every_page(model, root, alice, browser_of):
    row = make_world(alice)[model]
    browser = browser_of(root)

    listed = browser.get(list_url(model), {**all_states(model), "_facets": "True"})
    changed = browser.get(change_url(row))
    added = browser.get(add_url(model))

    assert listed.status_code == changed.status_code == 200
    assert row.pk in {found.pk for found in listed.context["cl"].result_list}
    assert changed.context["original"] == row
    assert added.status_code == (200 if model in WRITABLE else 403)


@every_model
def test_list_search_finds_row_by_id(model, root, alice, browser_of):
    row = make_world(alice)[model]
    browser = browser_of(root)

    searched = browser.get(list_url(model), {"q": "nothing is called that"})
    found = browser.get(list_url(model), {"q": str(row.pk)})

    assert searched.context["cl"].result_count == 0
    if isinstance(row.pk, str):
        assert [r.pk for r in found.context["cl"].result_list] == [row.pk]


@pytest.mark.parametrize(
    "query", ["label__exact=%00", "drift=%00", "q=%00", "conversation__agent__id__exact=%00"]
)
def test_nul_in_query_string_is_rejected(query, alice, browser_of):
    make_world(alice)

    reply = browser_of(alice).get(f"{list_url(IsolatedBlock)}?{query}")

    assert reply.status_code == 400
    assert "malformed" in reply.content.decode()


@every_model
def test_action_on_invalid_id_is_reported(model, root, alice, browser_of):
    make_world(alice)
    chosen = {"action": "export_as_csv", "_selected_action": ["nonsense"]}

    reply = browser_of(root).post(list_url(model), chosen, follow=True)

    assert reply.status_code == 200
    assert "nonsense" in messages_of(reply)[0]


@every_model
def test_stranger_sees_no_row(model, alice, mallory, browser_of):
    theirs = make_world(alice)[model]
    own = make_world(mallory)[model]
    browser = browser_of(mallory)

    listed = browser.get(list_url(model), all_states(model))
    changed = browser.get(change_url(theirs))
    history = browser.get(change_url(theirs).replace("/change/", "/history/"))

    found = {row.pk for row in listed.context["cl"].result_list}
    assert own.pk in found
    assert theirs.pk not in found
    assert changed.status_code == history.status_code == 302
    assert browser.get(change_url(own)).status_code == 200


@every_model
def test_stranger_finds_no_row_by_id(model, alice, mallory, browser_of):
    theirs = make_world(alice)
    browser = browser_of(mallory)

    by_id = browser.get(list_url(model), {"q": str(theirs[model].pk)})
    by_agent = browser.get(list_url(model), {"q": theirs[Agent].pk})

    assert by_id.context["cl"].result_count == 0
    assert by_agent.context["cl"].result_count == 0


@pytest.mark.parametrize(
    ("source", "field", "model"),
    [
        ("conversation", "agent", Agent),
        ("agentblock", "block", Block),
        ("apikey", "member", Member),
        ("member", "organization", Organization),
        ("isolatedblock", "conversation", Conversation),
    ],
)
def test_suggestions_stay_in_organization(source, field, model, alice, mallory, browser_of):
    make_world(alice)
    make_world(mallory)

    reply = browser_of(mallory).get(
        "/admin/autocomplete/",
        {"app_label": "conversations", "model_name": source, "field_name": field},
    )

    ids = [result["id"] for result in reply.json()["results"]]
    assert ids
    rows = model.objects.filter(pk__in=ids)
    path = "pk" if model is Organization else "organization"
    assert set(rows.values_list(path, flat=True)) == {mallory.organization_id}


# For a superuser: the session, the user, the organizations to filter by (where rows have one),
# the count, the page; then what the comment names.
QUERIES = {
    "Organization": 4,
    "Passage": 5,
    "Member": 5,
    "ApiKey": 7,  # the first and the last day, the days between
    "AuditEvent": 7,  # the first and the last day, the days between
    "Agent": 6,  # the attached labels
    "AgentBlock": 4,
    "Archive": 5,
    "Block": 5,
    "BlockRevision": 4,
    "Conversation": 8,  # the isolated labels, the first and the last day, the days between
    "IsolatedBlock": 4,
    "Message": 5,
    "ConversationMessage": 4,
    "Run": 7,  # the first and the last day, the days between
    "Step": 5,
    "RunEvent": 4,
    "Tool": 6,  # the first and the last day
    "AgentTool": 4,
    "Folder": 5,
    "File": 5,
}


@pytest.mark.parametrize("count", [1, 5])
@every_model
def test_list_query_count_is_constant(
    model, count, root, alice, browser_of, django_assert_num_queries
):
    for _ in range(count):
        make_world(alice)
    browser = browser_of(root)

    with django_assert_num_queries(QUERIES[model.__name__]):
        response = browser.get(list_url(model))

    assert response.status_code == 200


def test_index_names_every_model(root, browser_of):
    response = browser_of(root).get("/admin/")

    named = {m["object_name"] for app in response.context["app_list"] for m in app["models"]}
    assert named == {model.__name__ for model in admin.site._registry}
