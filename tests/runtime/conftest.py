import threading
import time
from collections.abc import Callable

import pytest
from django.db import connections

from conversations.models import Run


@pytest.fixture(autouse=True)
def _real_threads(transactional_db, model):
    """Commit rows: turns run on other threads, with connections of their own."""


@pytest.fixture
def in_thread():
    """`answer = in_thread(function, …)` calls it in a thread; `answer()` is its result."""
    threads = []

    def begin(function: Callable, *args, **kwargs) -> Callable:
        results: list = []

        def work():
            try:
                results.append(function(*args, **kwargs))
            except BaseException as error:
                results.append(error)
            finally:
                connections.close_all()

        thread = threading.Thread(target=work)
        thread.start()
        threads.append(thread)

        def answer():
            thread.join(30)
            assert results, "the call did not return"
            if isinstance(results[0], BaseException):
                raise results[0]
            return results[0]

        return answer

    yield begin
    for thread in threads:
        thread.join(30)


@pytest.fixture
def running_run() -> Callable[[], Run]:
    """Return a function that waits for a running run and returns it."""

    def wait() -> Run:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if run := Run.objects.filter(status=Run.Status.RUNNING).first():
                return run
            time.sleep(0.005)
        raise AssertionError("no run started")

    return wait
