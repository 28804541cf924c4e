"""The console's pages on Django's stock admin site, as in a project without ConsoleConfig."""

import pytest
from django.contrib import admin
from django.urls import include, path, reverse

import project.urls
from conversations.models import Conversation

from .pages import change_url, list_url, open_form, save_form
from .world import MODELS, WRITABLE, make_world

stock = admin.AdminSite()
for model in MODELS:
    stock.register(model, type(admin.site.get_model_admin(model)))

urlpatterns = [
    path("admin/", stock.urls),
    path("", include([p for p in project.urls.urlpatterns if str(p.pattern) != "admin/"])),
]
pytestmark = pytest.mark.urls(__name__)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_pages_open_on_stock_site(model, root, alice, browser_of):
    row = make_world(alice)[model]
    browser = browser_of(root)

    listed = browser.get(list_url(model))
    changed = browser.get(change_url(row))

    assert listed.status_code == changed.status_code == 200
    assert "conversations/console.css" in changed.content.decode()
    assert "conversations/console.js" in changed.content.decode()


def test_row_views_and_saves_work_on_stock_site(alice, browser_of):
    world = make_world(alice)
    conversation = world[Conversation]
    browser = browser_of(alice)
    url = reverse("admin:conversations_conversation_release", args=[conversation.pk])

    data = open_form(browser, conversation) | {"isolations-0-value": "edited"}
    saved = save_form(browser, conversation, data)
    page = browser.get(f"{url}?label=human")

    assert saved.redirect_chain
    assert conversation.isolated_blocks.get().value == "edited"
    assert page.status_code == 200


def test_stock_index_lists_the_models(root, browser_of):
    page = browser_of(root).get("/admin/")

    assert page.status_code == 200
    assert all(list_url(model) in page.content.decode() for model in WRITABLE)
