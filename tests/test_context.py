"""What log lines and audit events know of a request."""

import logging

import pytest
from django.db import connection

from conversations.context import EMPTY, Context, ContextFilter, bind, bound, current

from .factories import make_agent, make_conversation


def test_block_adds_to_the_context_and_restores_it():
    with bound(request_id="one", address="::1"):
        bind(organization="org")
        with bound(run="run"):
            assert (current().request_id, current().run) == ("one", "run")
        assert (current().organization, current().run) == ("org", "")

    assert current() == EMPTY


def test_filter_puts_the_context_on_records():
    record = logging.makeLogRecord({})

    with bound(request_id="one", conversation="conv"):
        ContextFilter().filter(record)

    assert (record.request_id, record.conversation, record.run) == ("one", "conv", "")


@pytest.mark.parametrize("header", ["abc-1", "trace:4bf92f35/7", "A" * 128])
def test_well_formed_request_id_is_returned(client, header):
    response = client.get("/v1/health/", headers={"X-Request-ID": header})

    assert response["X-Request-ID"] == header


@pytest.mark.parametrize("header", ["", "two words", "line\nbreak", "ü", "A" * 129])
def test_malformed_request_id_is_replaced(client, header):
    responses = [client.get("/v1/health/", HTTP_X_REQUEST_ID=header) for _ in range(2)]

    ids = {response["X-Request-ID"] for response in responses}
    assert len(ids) == 2
    assert header not in ids


def test_context_of_a_request_names_its_rows(client_for, alice):
    conversation = make_conversation(make_agent(alice))
    client = client_for(alice)
    contexts = []

    def record(execute, *arguments):
        contexts.append(current())
        return execute(*arguments)

    with connection.execute_wrapper(record):
        client.get(f"/v1/conversations/{conversation.pk}/blocks", HTTP_X_REQUEST_ID="mine")

    assert contexts[0] == Context(request_id="mine", address="127.0.0.1")
    assert contexts[-1] == Context(
        request_id="mine",
        address="127.0.0.1",
        organization=alice.organization_id,
        conversation=conversation.pk,
    )
    assert current() == EMPTY
