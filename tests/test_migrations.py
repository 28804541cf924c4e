"""The migrations create every table, and they match the models."""

import os
import subprocess
import sys
from pathlib import Path

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
