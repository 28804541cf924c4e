from django.db import migrations
from django.db.models.functions import Greatest

BATCH = 2000


def fill(apps, schema_editor):
    """What is attached and isolated now has been so since it was made, as far as is known."""
    period = apps.get_model("conversations", "ReadingPeriod")
    attached = apps.get_model("conversations", "AgentBlock").objects.annotate(
        since=Greatest("agent__created_at", "block__created_at")
    )
    in_batches(
        period,
        (
            period(
                agent_id=link.agent_id,
                block_id=link.block_id,
                label=link.label,
                position=link.position,
                since=link.since,
            )
            for link in attached.iterator(BATCH)
        ),
    )
    isolated = apps.get_model("conversations", "IsolatedBlock").objects.annotate(
        since=Greatest("conversation__created_at", "block__created_at")
    )
    in_batches(
        period,
        (
            period(
                conversation_id=link.conversation_id,
                block_id=link.block_id,
                label=link.label,
                position=0,
                since=link.since,
            )
            for link in isolated.iterator(BATCH)
        ),
    )


def in_batches(model, rows):
    batch = []
    for row in rows:
        batch.append(row)
        if len(batch) == BATCH:
            model.objects.bulk_create(batch)
            batch = []
    model.objects.bulk_create(batch)


def empty(apps, schema_editor):
    apps.get_model("conversations", "ReadingPeriod").objects.all().delete()


class Migration(migrations.Migration):
    dependencies = [("conversations", "0002_history")]

    operations = [migrations.RunPython(fill, empty)]
