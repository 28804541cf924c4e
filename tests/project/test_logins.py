"""Failed logins, lock-out and floods, and the end of sessions."""

import logging
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import httpx
import pytest
from axes.models import AccessAttempt
from django.contrib.auth.hashers import MD5PasswordHasher
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client

from conversations.domain.conversations.accounts import issue_key
from conversations.models import AuditEvent, Member

from ..runtime.processes import web_server

LOGIN = "/admin/login/"


class CountingHasher(MD5PasswordHasher):
    """Counts the passwords that are hashed."""

    hashed = 0

    def verify(self, password, encoded):
        CountingHasher.hashed += 1
        return super().verify(password, encoded)

    def harden_runtime(self, password, encoded):
        CountingHasher.hashed += 1


class BlockingHasher(MD5PasswordHasher):
    """Waits for the test while it hashes a password."""

    entered, may_end = threading.Event(), threading.Event()

    def verify(self, password, encoded):
        self.entered.set()
        assert self.may_end.wait(30)
        return super().verify(password, encoded)


def use_hasher(settings, hasher: type) -> None:
    settings.PASSWORD_HASHERS = [f"{__name__}.{hasher.__name__}"]


@pytest.fixture
def root(db, settings) -> User:
    use_hasher(settings, CountingHasher)
    CountingHasher.hashed = 0
    return User.objects.create_superuser("root", password="right")


def log_in(username: str = "root", password: str = "wrong", address: str = "192.0.2.1", **headers):
    data = {"username": username, "password": password}
    return Client(REMOTE_ADDR=address).post(LOGIN, data, headers=headers)


def log_in_on_thread():
    try:
        return log_in(password="right", address="192.0.2.2")
    finally:
        connection.close()


def fail(times: int, **who: str) -> list[int]:
    return [log_in(**who).status_code for _ in range(times)]


def actions() -> list[str]:
    return list(AuditEvent.objects.order_by("created_at").values_list("action", flat=True))


def test_right_password_is_refused_after_five_wrong_ones(root):
    assert fail(4) == [200] * 4
    assert fail(1) == [429]

    refused = log_in(password="right")

    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "900")
    assert "Try again in 15 minutes" in refused.content.decode()
    assert "_auth_user_id" not in refused.client.session


def test_lockout_is_of_one_name_at_one_address(root):
    User.objects.create_superuser("eve", password="right")
    fail(5)

    assert log_in(username="eve", password="right").status_code == 302
    assert log_in(password="right", address="192.0.2.2").status_code == 302


def test_lockout_ends_after_its_time(root):
    fail(5)
    for attempt in AccessAttempt.objects.all():
        attempt.attempt_time -= timedelta(seconds=901)
        attempt.save()

    assert log_in(password="right").status_code == 302


def test_successful_login_forgives_earlier_failures(root):
    fail(4)
    assert log_in(password="right").status_code == 302

    assert fail(4) == [200] * 4


def test_limits_are_settings(root, settings):
    settings.AXES_FAILURE_LIMIT = 2

    assert fail(2) == [200, 429]


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::%x"])
def test_address_that_tries_many_names_is_locked_out(root, address):
    def address_of(number: int) -> str:
        return address % number if "%" in address else address

    for number in range(50):
        log_in(username=f"guess{number}", address=address_of(number))

    assert log_in(password="right", address=address_of(99)).status_code == 429
    assert log_in(password="right", address="198.51.100.7").status_code == 302
    assert AccessAttempt.objects.count() <= 50


def test_locked_out_attempts_hash_and_store_nothing(root):
    fail(5)
    hashed, stored = CountingHasher.hashed, (actions(), AccessAttempt.objects.count())

    fail(10)

    assert CountingHasher.hashed == hashed > 0
    assert (actions(), AccessAttempt.objects.count()) == stored


def test_forged_header_does_not_choose_the_address(root):
    for number in range(5):
        log_in(**{"X-Forwarded-For": f"198.51.100.{number}"})

    assert log_in(password="right").status_code == 429


def test_logins_are_logged_with_user_and_address(root, caplog):
    caplog.set_level(logging.WARNING)

    fail(1, username="ro\not\x1b[31m")
    fail(5)

    lines = [r.getMessage() for r in caplog.records if r.name == "project.logins"]
    assert lines == [
        "Failed login of 'ro\\not\\x1b[31m' from 192.0.2.1",
        *["Failed login of 'root' from 192.0.2.1"] * 5,
        "Locked out 'root' from 192.0.2.1",
    ]
    assert "wrong" not in caplog.text


def test_audit_log_has_logins_with_address_and_request(root, alice):
    alice.user.is_staff = True
    alice.user.set_password("right")
    alice.user.save()
    fail(1)
    browser = log_in(username="alice", password="right", **{"X-Request-ID": "r-1"}).client
    browser.post("/admin/logout/")

    events = AuditEvent.objects.filter(action__startswith="log").order_by("created_at")
    [failed, login, logout] = events
    assert (failed.action, failed.actor, failed.organization) == ("login.failed", "root", None)
    assert (login.action, login.actor, login.member_id) == ("login", "alice", alice.pk)
    assert (login.organization, login.address) == (alice.organization, "192.0.2.1")
    assert (login.request_id, logout.action) == ("r-1", "logout")
    assert not re.search("wrong|right", str(AuditEvent.objects.values()))


def test_second_password_check_at_a_time_is_refused(transactional_db, settings):
    use_hasher(settings, BlockingHasher)
    User.objects.create_superuser("root", password="right")
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(log_in_on_thread)
        assert BlockingHasher.entered.wait(30)

        second = log_in(password="right")

        BlockingHasher.may_end.set()
        assert (second.status_code, second.headers["Retry-After"]) == (429, "2")
        assert first.result().status_code == 302
    assert log_in(password="right").status_code == 302


@pytest.mark.slow
@pytest.mark.postgres_only
def test_login_flood_leaves_the_api_to_others(transactional_db, alice, model):
    """Sixteen clients guess passwords while another one reads."""
    User.objects.create_superuser("root", password="right")
    key = issue_key(alice)[1]
    flooding = threading.Event()
    flooding.set()

    def guess(url: str) -> set[int]:
        statuses = set()
        with httpx.Client(base_url=url, timeout=30) as browser:
            token = browser.get(LOGIN).cookies["csrftoken"]
            data = {"username": "root", "password": "wrong", "csrfmiddlewaretoken": token}
            while flooding.is_set():
                statuses.add(browser.post(LOGIN, data=data).status_code)
        return statuses

    with web_server(model) as (_, url), ThreadPoolExecutor(16) as pool:
        guesses = [pool.submit(guess, url) for _ in range(16)]
        headers = {"Authorization": f"Bearer {key}"}
        reads = [
            httpx.get(f"{url}/v1/agents/", headers=headers, timeout=10).status_code
            for _ in range(60)
        ]
        flooding.clear()
        statuses = set().union(*(each.result() for each in guesses))

    assert set(reads) == {200}
    assert statuses <= {200, 429}
    # Each thread of the server may be past the check when the fifth failure is counted.
    assert 5 <= actions().count("login.failed") <= 5 + 8


@pytest.fixture
def browser(root) -> Client:
    return log_in(password="right").client


def age(browser: Client, **seconds: float) -> None:
    session = browser.session
    for name, number in seconds.items():
        session[name] -= number
    session.save()


def test_idle_session_ends(browser, settings):
    assert browser.get("/admin/").status_code == 200

    age(browser, seen_at=settings.SESSION_IDLE_TIMEOUT + 1)

    assert browser.get("/admin/").headers["Location"] == f"{LOGIN}?next=/admin/"
    assert actions()[-1] == "logout"


def test_requests_keep_a_session_until_its_maximum_age(browser, settings):
    for _ in range(3):
        age(browser, seen_at=settings.SESSION_IDLE_TIMEOUT - 10, started_at=90_000)
        assert browser.get("/admin/").status_code == 200

    age(browser, started_at=settings.SESSION_COOKIE_AGE)

    assert browser.get("/admin/").status_code == 302


def test_use_of_a_session_is_stored_once_a_minute(browser, django_assert_max_num_queries):
    before = browser.session["seen_at"]
    browser.get("/admin/")
    assert browser.session["seen_at"] == before

    age(browser, seen_at=61)
    browser.get("/admin/")

    assert browser.session["seen_at"] > before - 61


def test_session_without_times_ends(browser):
    """Such as one from before the server had limits."""
    session = browser.session
    del session["started_at"]
    session.save()

    assert browser.get("/admin/").status_code == 302
    assert Member.objects.count() == 0
