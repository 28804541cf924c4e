"""The content security policy of pages. tests/browser checks that no page violates it."""

import pytest
from django.test import Client
from django.urls import path

import project.urls
from project.security import CONTENT_SECURITY_POLICY


@pytest.mark.parametrize("page", ["/admin/login/", "/admin/", "/docs/", "/admin/nowhere/"])
def test_pages_send_content_security_policy(page, alice, browser_of):
    response = browser_of(alice).get(page, follow=True)

    assert response.headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
    assert "<style" not in response.content.decode()
    assert "<script>" not in response.content.decode()


def test_policy_allows_nothing_inline_or_foreign():
    assert "default-src 'none'" in CONTENT_SECURITY_POLICY
    assert "unsafe" not in CONTENT_SECURITY_POLICY
    assert "http" not in CONTENT_SECURITY_POLICY


def fails(request):
    raise RuntimeError("on purpose")


urlpatterns = [path("admin/fails/", fails), *project.urls.urlpatterns]


@pytest.mark.urls(__name__)
@pytest.mark.parametrize(
    ("ask", "status", "says"),
    [
        (lambda b: b.get("/nowhere/"), 404, "Page not found"),
        (lambda b: b.get("/admin/nowhere/"), 404, "Page not found"),
        (lambda b: b.get("/admin/conversations/group/add/"), 404, "Page not found"),
        (lambda b: b.get("/admin/conversations/member/add/"), 403, "Permission denied"),
        (lambda b: b.post("/admin/logout/"), 403, "Not saved"),
        (lambda b: b.post("/admin/login/", {"username": "x" * 6_000_000}), 400, "Bad request"),
        (lambda b: b.get("/admin/fails/"), 500, "Server error"),
    ],
)
def test_error_pages_follow_policy_and_link_to_console(ask, status, says, alice):
    browser = Client(enforce_csrf_checks=status != 400, raise_request_exception=False)
    browser.force_login(alice.user)

    reply = ask(browser)

    page = reply.content.decode()
    assert (reply.status_code, says in page) == (status, True)
    assert '<a href="/admin/">Go to the console</a>' in page
    assert reply.headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
    assert "<style" not in page
    assert "on purpose" not in page


def test_favicon_is_served(client):
    reply = client.get("/favicon.ico")

    assert reply.status_code == 302
    assert client.get(reply.url).headers["Content-Type"] == "image/svg+xml"
