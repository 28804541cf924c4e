"""A wrong value at every place of a valid file in turn."""

import json
from collections.abc import Iterator
from contextlib import suppress
from itertools import cycle
from typing import Any

import pytest
from django.db import connection, transaction

from conversations.domain.actor import SERVER
from conversations.domain.errors import DomainError

from ...factories import make_agent, make_conversation, make_messages
from .files import FLAT, NEWER, changed, export_agent, import_document

# A prime number of values, so that repeated structures get different values.
WRONG = [None, [], {}, "x", -1, 2**70, True, [[]], [{}], ["x"], "x" * 300]


def places(value: Any, path: str = "") -> Iterator[str]:
    names = value if isinstance(value, dict) else range(len(value) if type(value) is list else 0)
    for name in names:
        place = f"{path}.{name}".lstrip(".")
        yield place
        yield from places(value[name], place)


def own_file(alice) -> dict:
    agent = make_agent(alice, labels=["human", "todo"])
    conversation = make_conversation(agent, isolated=["human"])
    make_messages(conversation, "one")
    return json.loads(json.dumps(export_agent(agent, by=SERVER, with_revisions=True)))


@pytest.mark.parametrize("shape", ["flat", "newer", "own"])
def test_wrong_value_anywhere_is_stored_or_rejected(alice, shape):
    document = {"flat": FLAT, "newer": NEWER}.get(shape) or own_file(alice)

    for path, value in zip(places(document), cycle(WRONG), strict=False):
        with transaction.atomic(), suppress(DomainError):
            import_document(alice, changed(document, path, value))
            connection.check_constraints()
            transaction.set_rollback(True)
