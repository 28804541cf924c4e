from collections.abc import Iterator

import psycopg
import pytest

from ..postgres import postgres
from .v1 import DUMP, V1, load_dump, new_database


@pytest.fixture(scope="session")
def v1_server() -> Iterator[str]:
    """A PostgreSQL for databases of V1, also where the tests themselves run on SQLite."""
    with postgres() as url:
        yield url


@pytest.fixture
def v1(v1_server) -> Iterator[V1]:
    with new_database(v1_server) as url:
        database = V1(url)
        yield database
        database.connection.close()


@pytest.fixture(scope="session")
def recorded(v1_server) -> Iterator[str]:
    """The URL of a database that a real V1 server filled."""
    if not DUMP.exists():
        pytest.skip("the dump of a V1 database is not here")
    with new_database(v1_server) as url:
        load_dump(url)
        with psycopg.connect(url) as connection:
            connection.execute("SELECT FROM public.messages")
        yield url
