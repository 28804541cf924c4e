"""The console under row-level security: each operator has access to one organization's rows."""

import pytest

from conversations.admin.scope import OrganizationScope

from .pages import change_url, list_url
from .test_every_page import all_states
from .world import MODELS, make_world

pytestmark = pytest.mark.postgres_only
every_model = pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)


@every_model
def test_staff_open_pages_of_their_organization(row_security, model, alice, browser_of):
    row = make_world(alice)[model]
    browser = browser_of(alice)

    listed = browser.get(list_url(model), all_states(model))

    assert row.pk in {found.pk for found in listed.context["cl"].result_list}
    assert browser.get(change_url(row)).status_code == 200


@every_model
def test_superuser_opens_pages_of_all_organizations(
    row_security, model, root, alice, mallory, browser_of
):
    rows = [make_world(member)[model] for member in (alice, mallory)]

    listed = browser_of(root).get(list_url(model), all_states(model))

    assert {row.pk for row in rows} <= {found.pk for found in listed.context["cl"].result_list}


@every_model
def test_console_without_its_filter_shows_no_foreign_row(
    row_security, model, alice, mallory, browser_of, monkeypatch
):
    theirs, own = make_world(alice)[model], make_world(mallory)[model]
    # What is left if the filter of OrganizationScope is removed.
    unfiltered = super(OrganizationScope, OrganizationScope).get_queryset
    monkeypatch.setattr(OrganizationScope, "get_queryset", unfiltered)
    browser = browser_of(mallory)

    listed = browser.get(list_url(model), all_states(model))
    changed = browser.get(change_url(theirs))

    shown = {found.pk for found in listed.context["cl"].result_list}
    assert own.pk in shown
    assert theirs.pk not in shown
    assert changed.status_code == 302


def test_export_is_of_the_operators_organization(row_security, alice, browser_of):
    world = make_world(alice)
    model = MODELS[3]
    chosen = {"action": "export_as_csv", "_selected_action": [world[model].pk]}

    reply = browser_of(alice).post(list_url(model), chosen)

    assert world[model].pk in b"".join(reply.streaming_content).decode()
