"""When a session of the console ends."""

import time
from typing import Any

from django.conf import settings
from django.contrib.auth import SESSION_KEY, logout
from django.http import HttpRequest

STARTED, SEEN = "started_at", "seen_at"
# Use is stored at most this often, in seconds, so that most requests do not write.
PRECISION = 60


def begin(request: HttpRequest, **kwargs: Any) -> None:
    """Receive `user_logged_in`."""
    request.session[STARTED] = request.session[SEEN] = time.time()


class SessionLimits:
    """Log out a user after SESSION_IDLE_TIMEOUT without requests, or SESSION_MAX_AGE in any case.

    It goes after AuthenticationMiddleware. Requests without a session cookie cost nothing.
    """

    def __init__(self, get_response: Any) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> Any:
        if settings.SESSION_COOKIE_NAME in request.COOKIES and SESSION_KEY in request.session:
            self._check(request)
        return self._get_response(request)

    def _check(self, request: HttpRequest) -> None:
        now, idle = time.time(), settings.SESSION_IDLE_TIMEOUT
        started, seen = (request.session.get(name, 0.0) for name in (STARTED, SEEN))
        if now - started > settings.SESSION_COOKIE_AGE or now - seen > idle:
            logout(request)
        elif now - seen > min(PRECISION, idle / 4):
            request.session[SEEN] = now
