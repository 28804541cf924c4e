"""Logins: how often they may fail, how many passwords are checked at once, what is recorded."""

import ipaddress
import logging
import threading
from datetime import timedelta
from typing import Any

from axes.attempts import get_cool_off_threshold
from axes.handlers.database import AxesDatabaseHandler
from axes.models import AccessAttempt
from django.conf import settings
from django.contrib.auth.backends import ModelBackend
from django.db.models import Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from conversations.context import current
from conversations.domain.actor import Actor, Source
from conversations.domain.audit import record
from conversations.models import AuditAction, AuditEvent, Member
from conversations.tenancy import acting_for_all

logger = logging.getLogger(__name__)

# One address may fail with several user names, as those of an office behind one router.
ADDRESS_LIMIT_FACTOR = 10
# Hashing a password takes a third of a second of one processor, which the API needs too.
MAX_PASSWORD_CHECKS = 1
BUSY_RETRY_AFTER = timedelta(seconds=2)

MAX_NAME = AuditEvent._meta.get_field("actor").max_length

_checks = threading.Semaphore(MAX_PASSWORD_CHECKS)


class LoginsBusy(Exception):
    """This process checks as many passwords as it may."""


class PasswordBackend(ModelBackend):
    """Check passwords, but at most MAX_PASSWORD_CHECKS at a time; raise LoginsBusy beyond.

    Waiting would take the threads of other requests.
    """

    def authenticate(self, request: HttpRequest | None, *args: Any, **kwargs: Any) -> Any:
        if not _checks.acquire(blocking=False):
            raise LoginsBusy
        try:
            return super().authenticate(request, *args, **kwargs)
        finally:
            _checks.release()


class BusyLogins:
    """Middleware that responds to LoginsBusy."""

    def __init__(self, get_response: Any) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> Any:
        return self._get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Respond with 429."""
        return refuse(request, BUSY_RETRY_AFTER) if isinstance(error, LoginsBusy) else None


class LoginHandler(AxesDatabaseHandler):  # type: ignore[misc]  # axes has no types
    """Locks a user name out at one address, and an address that fails with many names."""

    def is_locked(self, request: Any, credentials: Any = None) -> bool:
        if super().is_locked(request, credentials):
            return True
        recent = AccessAttempt.objects.filter(
            ip_address=request.axes_ip_address,
            attempt_time__gte=get_cool_off_threshold(request),
        )
        failures: int = recent.aggregate(sum=Sum("failures_since_start"))["sum"] or 0
        return failures >= settings.AXES_FAILURE_LIMIT * ADDRESS_LIMIT_FACTOR


def client_address(request: HttpRequest) -> str | None:
    """Return the address that failures count for: of IPv6, the network of one customer."""
    text = str(request.META.get("REMOTE_ADDR", ""))
    try:
        address = ipaddress.ip_address(text)
    except ValueError:  # such as a Unix socket
        return None
    if address.version == 4:
        return text
    return str(ipaddress.ip_network((address, 64), strict=False).network_address)


def locked_out(request: HttpRequest, response: Any, credentials: Any) -> HttpResponse:
    """Respond to an attempt that is locked out."""
    return refuse(request, settings.AXES_COOLOFF_TIME)


def refuse(request: HttpRequest, retry_after: timedelta) -> HttpResponse:
    """Respond with 429 and a page that says when to try again."""
    seconds = round(retry_after.total_seconds())
    response = render(request, "429.html", {"minutes": seconds // 60}, status=429)
    response.headers["Retry-After"] = str(seconds)
    return response


def log_in(request: HttpRequest, user: Any, **kwargs: Any) -> None:
    """Receive `user_logged_in`."""
    _record(AuditAction.LOGIN, user)


def log_out(request: HttpRequest, user: Any, **kwargs: Any) -> None:
    """Receive `user_logged_out`, whose user is None if nobody was logged in."""
    if user is not None:
        _record(AuditAction.LOGOUT, user)


def log_failure(credentials: dict[str, Any], request: Any, **kwargs: Any) -> None:
    """Receive `user_login_failed`, after axes has counted the failure."""
    if request.axes_failures_since_start is None:  # Refused, because it is locked out already.
        return
    username, address = str(credentials.get("username", "")), current().address
    logger.warning("Failed login of %r from %s", username, address)
    _record_stranger(AuditAction.LOGIN_FAILED, username)
    if request.axes_locked_out:
        logger.warning("Locked out %r from %s", username, address)
        _record_stranger(AuditAction.LOGIN_LOCKED, username)


def _record_stranger(action: AuditAction, username: str) -> None:
    with acting_for_all():
        by = Actor(None, Source.ADMIN, username=username[:MAX_NAME])
        record(action, by=by, organization=None)


def _record(action: AuditAction, user: Any) -> None:
    with acting_for_all():
        member = Member.objects.filter(user=user).select_related("organization").first()
        by = Actor(member, Source.ADMIN, username=user.get_username()[:MAX_NAME])
        record(action, by=by, organization=member.organization if member else None)
