"""Clients whose requests fail on N+1 queries."""

import pytest
from zeal import zeal_context
from zeal.constants import initialize_app_registry
from zeal.patch import patch

initialize_app_registry()
patch()


@pytest.fixture
def client_for(client_for, settings):
    """Wrap the `client_for` of all tests: here a request with N+1 queries is a 500."""
    # The same query twice from one line is a verb that calls another; three times is a loop.
    settings.ZEAL_NPLUSONE_THRESHOLD = 3

    def make(*args, **kwargs):
        client = client_for(*args, **kwargs)
        send = client.request

        def send_watched(**request):
            with zeal_context():
                return send(**request)

        client.request = send_watched
        return client

    return make
