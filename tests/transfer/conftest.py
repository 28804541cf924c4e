from collections.abc import Callable, Iterator

import psycopg
import pytest
from django.core.management import call_command

from conversations.domain.integrity.check import find_breaches

from ..postgres import postgres
from .letta_database.v1 import DUMP, V1, load_dump, new_database


@pytest.fixture(scope="session")
def v1_server() -> Iterator[str]:
    """Return the URL of a PostgreSQL server for V1 databases, even if the tests use SQLite."""
    with postgres() as url:
        yield url


@pytest.fixture
def v1(v1_server) -> Iterator[V1]:
    with new_database(v1_server) as url:
        database = V1(url)
        yield database
        database.connection.close()


@pytest.fixture
def import_v1(v1: V1, capsys) -> Callable[..., str]:
    """Return a function that runs import_letta, checks integrity, and returns the output."""

    def run(*arguments: str) -> str:
        call_command("import_letta", "--from", v1.url, *arguments)
        assert list(find_breaches()) == []
        return capsys.readouterr().out

    return run


@pytest.fixture(scope="session")
def recorded(v1_server) -> Iterator[str]:
    """Return the URL of a database that a real V1 server filled."""
    if not DUMP.exists():
        pytest.skip("needs the recorded V1 database")
    with new_database(v1_server) as url:
        load_dump(url)
        with psycopg.connect(url) as connection:
            connection.execute("SELECT FROM public.messages")
        yield url
