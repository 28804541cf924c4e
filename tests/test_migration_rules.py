"""Migrations after the first one keep a server usable while they run."""

import pytest
from django.apps import apps
from django.db import connection, migrations, models
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ProjectState

from conversations.migrations import _operations
from conversations.migrations._operations import AddIndexConcurrently, UpdateInBatches
from conversations.models import Block

from .factories import make_block
from .migration_rules import SMALL, problems

INDEX = models.Index(fields=["otid"], name="test_messages_by_otid")


def migration(*operations, atomic: bool = True):
    made = migrations.Migration("0002_test", "conversations")
    made.operations, made.atomic = list(operations), atomic
    return made


def later_migrations() -> list:
    loader = MigrationLoader(None)
    names = [name for label, name in loader.disk_migrations if label == "conversations"]
    return [loader.disk_migrations["conversations", name] for name in names if name[:4] != "0001"]


def test_later_migrations_follow_the_rules():
    assert [problem for later in later_migrations() for problem in problems(later)] == []


def test_small_tables_are_models():
    app = apps.get_app_config("conversations")

    assert {model._meta.model_name for model in app.get_models()} > SMALL


@pytest.mark.parametrize(
    ("operation", "words"),
    [
        (migrations.AddIndex("Message", INDEX), "AddIndexConcurrently"),
        (
            migrations.AddConstraint("run", models.CheckConstraint(condition=models.Q(), name="x")),
            "NOT VALID",
        ),
        (
            migrations.AddField("step", "run2", models.ForeignKey("run", models.CASCADE)),
            "without db_index",
        ),
        (migrations.RunPython(print), "UpdateInBatches"),
        (migrations.RunSQL("CREATE INDEX x ON conversations_run (id)"), "CONCURRENTLY"),
        (migrations.RunSQL("UPDATE conversations_run SET error = ''"), "UpdateInBatches"),
        (AddIndexConcurrently("message", INDEX), "atomic"),
        (UpdateInBatches("message", print), "atomic"),
    ],
)
def test_harmful_operation_is_reported(operation, words):
    [problem] = problems(migration(operation))

    assert problem.startswith("0002_test: ")
    assert words in problem


def test_harmless_operations_are_not_reported():
    operations = [
        migrations.AddIndex("agent", INDEX),
        migrations.AddField("message", "note", models.TextField(default="")),
        migrations.CreateModel("Fresh", [("id", models.BigAutoField(primary_key=True))]),
        migrations.AddIndex("fresh", INDEX),
        migrations.RunSQL("CREATE INDEX CONCURRENTLY x ON conversations_run (id)"),
        AddIndexConcurrently("message", INDEX),
        UpdateInBatches("message", print),
    ]

    assert problems(migration(*operations, atomic=False)) == []


def states() -> tuple[ProjectState, ProjectState]:
    before = MigrationLoader(connection).project_state()
    return before, before.clone()


@pytest.mark.django_db(transaction=True)
def test_index_is_built_and_removed_concurrently():
    operation = AddIndexConcurrently("message", INDEX)
    before, after = states()
    operation.state_forwards("conversations", after)
    is_postgres = connection.vendor == "postgresql"

    for _ in range(2 if is_postgres else 1):  # As after an interruption.
        with connection.schema_editor(atomic=False) as editor:
            operation.database_forwards("conversations", editor, before, after)

    with connection.cursor() as cursor:
        found = connection.introspection.get_constraints(cursor, "conversations_message")
        assert found[INDEX.name]["columns"] == ["otid"]
    with connection.schema_editor(atomic=False) as editor:
        operation.database_backwards("conversations", editor, after, before)
    with connection.cursor() as cursor:
        found = connection.introspection.get_constraints(cursor, "conversations_message")
        assert INDEX.name not in found


@pytest.mark.django_db(transaction=True)
def test_rows_are_updated_in_batches(monkeypatch):
    monkeypatch.setattr(_operations, "BATCH_SIZE", 2)
    for _ in range(5):
        make_block()
    sizes = []

    def update(rows):
        sizes.append(rows.update(description="migrated"))

    before, after = states()
    with connection.schema_editor(atomic=False) as editor:
        UpdateInBatches("block", update).database_forwards("conversations", editor, before, after)

    assert sizes == [2, 2, 1]
    assert Block.objects.filter(description="migrated").count() == 5
