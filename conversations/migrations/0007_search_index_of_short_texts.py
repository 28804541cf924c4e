from django.db import migrations

TEXTS = "jsonb_path_query_array(content, '$[*].text')"


def replace_index(apps, schema_editor):
    """A row of more than a megabyte of words could not be stored, for want of place in the index."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP INDEX IF EXISTS message_texts")
        schema_editor.execute(
            "CREATE INDEX message_texts ON conversations_message USING gin "
            f"(to_tsvector('simple', {TEXTS})) WHERE octet_length({TEXTS}::text) < 500000"
        )


def restore_index(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP INDEX IF EXISTS message_texts")
        schema_editor.execute(
            f"CREATE INDEX message_texts ON conversations_message USING gin (to_tsvector('simple', {TEXTS}))"
        )


class Migration(migrations.Migration):
    dependencies = [("conversations", "0006_agent_tool_definitions")]

    operations = [migrations.RunPython(replace_index, restore_index, elidable=False)]
