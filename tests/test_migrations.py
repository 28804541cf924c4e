"""The migrations create every table, and they match the models."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.loader import MigrationLoader

ROOT = Path(__file__).resolve().parent.parent


def test_no_model_change_is_unmigrated(db):
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


def test_migrations_apply_on_empty_database(db):
    """The test database was created by the migrations."""
    loader = MigrationLoader(connection)

    assert set(loader.applied_migrations) == set(loader.disk_migrations)


@pytest.fixture
def empty_database(django_db_setup, django_db_blocker) -> Iterator[str]:
    """Create a PostgreSQL database beside the test database; return its URL."""
    name = f"empty_{connection.settings_dict['NAME']}"
    given = os.environ["DATABASE_URL"]
    address, mark, query = given.partition("?")
    with psycopg.connect(given, autocommit=True) as server:
        server.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        server.execute(f'CREATE DATABASE "{name}"')
        yield f"{address.rpartition('/')[0]}/{name}{mark}{query}"
        server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.mark.postgres_only
@pytest.mark.slow
def test_several_processes_migrate_at_once(empty_database):
    command = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
    environment = os.environ | {"DATABASE_URL": empty_database}

    migrating = [
        subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    errors = [process.communicate(timeout=300)[1] for process in migrating]

    assert [process.returncode for process in migrating] == [0, 0, 0, 0], errors
    with psycopg.connect(empty_database) as database:
        rows = database.execute("SELECT app, name FROM django_migrations").fetchall()
    assert len(rows) == len(set(rows)) == len(MigrationLoader(None).disk_migrations)


def test_app_depends_on_no_user_model(tmp_path):
    """The migrations apply in a project with a custom user model."""
    (tmp_path / "people").mkdir()
    (tmp_path / "people" / "__init__.py").touch()
    (tmp_path / "people" / "models.py").write_text(
        "from django.contrib.auth.models import AbstractUser\n"
        "class Person(AbstractUser):\n    class Meta:\n        app_label = 'people'\n"
    )
    (tmp_path / "host_settings.py").write_text(
        "from project.settings import *\n"
        "INSTALLED_APPS = ['people', *INSTALLED_APPS]\nAUTH_USER_MODEL = 'people.Person'\n"
    )
    variables = {
        "DJANGO_SETTINGS_MODULE": "host_settings",
        "DATABASE_URL": f"sqlite:///{tmp_path / 'db.sqlite3'}",
        "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)]),
    }

    for command in (["migrate", "--run-syncdb", "--verbosity", "0"], ["check"]):
        subprocess.run(
            [sys.executable, "-m", "django", *command],
            cwd=tmp_path,
            env=os.environ | variables,
            check=True,
            timeout=120,
        )
