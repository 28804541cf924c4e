"""What browsers are told that pages may load. tests/browser looks whether they need more."""

import pytest

from project.security import CONTENT_SECURITY_POLICY


@pytest.mark.parametrize("page", ["/admin/login/", "/admin/", "/docs/", "/admin/nowhere/"])
def test_every_page_comes_with_the_policy(page, alice, browser_of):
    response = browser_of(alice).get(page, follow=True)

    assert response.headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
    assert "<style" not in response.content.decode()
    assert "<script>" not in response.content.decode()


def test_the_policy_allows_nothing_inline_and_nobody_else():
    assert "default-src 'none'" in CONTENT_SECURITY_POLICY
    assert "unsafe" not in CONTENT_SECURITY_POLICY
    assert "http" not in CONTENT_SECURITY_POLICY
