"""The request rates of API keys and organizations, counted in Django's cache.

A count is one operation of the cache. Processes count together if they share the cache.
"""

import math
import time
from contextlib import suppress
from typing import Any, NamedTuple, cast

from django.core.cache import cache
from django.http.response import HttpResponseBase
from rest_framework.exceptions import ErrorDetail, Throttled
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from ..models import ApiKey, Quota

# The length of the window in which requests are counted, in seconds.
WINDOW = 60


class Rate(NamedTuple):
    """What a caller may send in this window, and what is left of it.

    `policy` names it in the headers; `reset` is the number of seconds until the next window.
    """

    policy: str
    quota: Quota
    limit: int
    remaining: int
    reset: int


class RequestThrottle(BaseThrottle):
    """Count the requests of an API key and of its organization; refuse those beyond a quota."""

    def allow_request(self, request: Request, view: Any) -> bool:
        """Count the request; leave the rates in `view.rates`."""
        key = cast("ApiKey | None", request.auth)
        if key is None:
            return True
        view.rates = [
            _count("key", key.pk, key, Quota.KEY_REQUESTS_PER_MINUTE),
            _count("organization", key.organization_id, key, Quota.REQUESTS_PER_MINUTE),
        ]
        return all(rate.remaining >= 0 for rate in view.rates)


def rate_exceeded(rates: list[Rate]) -> Throttled:
    """Return the error of a request beyond one of these rates."""
    rate = min(rates, key=lambda rate: rate.remaining)
    error = Throttled(rate.reset)
    error.detail = ErrorDetail(
        f"The maximum is {rate.limit:,} {rate.quota.label}; try again in {rate.reset} s"
    )
    return error


def add_headers(response: HttpResponseBase, rates: list[Rate]) -> None:
    """Tell the client what it may send, as draft-ietf-httpapi-ratelimit-headers says."""
    response.headers["RateLimit-Policy"] = ", ".join(
        f'"{rate.policy}";q={rate.limit};w={WINDOW}' for rate in rates
    )
    response.headers["RateLimit"] = ", ".join(
        f'"{rate.policy}";r={max(0, rate.remaining)};t={rate.reset}' for rate in rates
    )


def _count(policy: str, caller: str, key: ApiKey, quota: Quota) -> Rate:
    now = time.time()
    window = int(now // WINDOW)
    limit = key.organization.quota(quota)
    count = _increment(f"conversations:requests:{caller}:{window}")
    return Rate(policy, quota, limit, limit - count, math.ceil((window + 1) * WINDOW - now))


def _increment(name: str) -> int:
    with suppress(ValueError):  # Nothing is counted yet.
        return cache.incr(name)
    if cache.add(name, 1, WINDOW):
        return 1
    # Another request has begun to count. A cache that stores nothing counts nothing.
    with suppress(ValueError):
        return cache.incr(name)
    return 1
