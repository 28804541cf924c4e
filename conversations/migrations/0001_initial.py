"""The tables of the app."""

import conversations.ids
import conversations.models.accounts
import conversations.models.archives
import conversations.models.base
import conversations.models.messages
import conversations.models.secrets
import django.core.validators
import django.db.models.deletion
import django.db.models.functions.text
import django.db.models.lookups
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


TEXTS = "jsonb_path_query_array(content, '$[*].text')"


def create_search_index(apps, schema_editor):
    """Create the index of Message.content__has_words; SQLite searches without an index.

    PostgreSQL cannot index a row with more than a megabyte of words.
    """
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(
            "CREATE INDEX message_texts ON conversations_message USING gin "
            f"(to_tsvector('simple', {TEXTS})) WHERE octet_length({TEXTS}::text) < 500000"
        )


def drop_search_index(apps, schema_editor):
    """Drop it."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP INDEX IF EXISTS message_texts")


def create_audit_trigger(apps, schema_editor):
    """Reject changes of the audit log. On SQLite, its query sets alone refuse them."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(
            "CREATE FUNCTION conversations_audit_is_append_only() RETURNS trigger AS "
            "$$ BEGIN RAISE EXCEPTION 'the audit log is append-only'; END $$ LANGUAGE plpgsql"
        )
        schema_editor.execute(
            "CREATE TRIGGER audit_is_append_only BEFORE UPDATE OR DELETE "
            "ON conversations_auditevent FOR EACH ROW "
            "EXECUTE FUNCTION conversations_audit_is_append_only()"
        )


def drop_audit_trigger(apps, schema_editor):
    """Drop it; the table is still there."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP TRIGGER IF EXISTS audit_is_append_only ON conversations_auditevent")
        schema_editor.execute("DROP FUNCTION IF EXISTS conversations_audit_is_append_only()")


def create_passage_indexes(apps, schema_editor):
    """Create the indexes of the words, tags and, with pgvector, vectors of passages.

    Where the role may not create the extension, `manage.py vector_index` does it later.
    """
    from django.db import ProgrammingError, transaction

    from conversations.models.archives import INDEXED_DIMENSIONS, vector_index_sql

    if schema_editor.connection.vendor != "postgresql":
        return
    schema_editor.execute(
        "CREATE INDEX passage_words ON conversations_passage USING gin "
        "(words, tags jsonb_path_ops) WHERE deleted_at IS NULL"
    )
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT FROM pg_available_extensions WHERE name = 'vector'")
        if cursor.rowcount == 0:
            return
    try:
        with transaction.atomic(schema_editor.connection.alias):
            schema_editor.execute("CREATE EXTENSION IF NOT EXISTS vector")
    except ProgrammingError:
        return
    for dimensions in INDEXED_DIMENSIONS:
        schema_editor.execute(vector_index_sql(dimensions))


def drop_passage_indexes(apps, schema_editor):
    """Drop them."""
    from conversations.models.archives import INDEXED_DIMENSIONS, vector_index_name

    if schema_editor.connection.vendor == "postgresql":
        for name in ["passage_words", *map(vector_index_name, INDEXED_DIMENSIONS)]:
            schema_editor.execute(f"DROP INDEX IF EXISTS {name}")


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Agent',
            fields=[
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('id', conversations.ids.PrefixedUUIDField(prefix='agent', primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=200)),
                ('description', models.TextField(blank=True, null=True)),
                ('system', models.TextField(blank=True, help_text='The system prompt, before the blocks.')),
                ('agent_type', models.CharField(default='letta_v1_agent', max_length=50)),
                ('model', models.CharField(help_text='A handle: provider/model.', max_length=200)),
                ('model_settings', models.JSONField(blank=True, null=True)),
                ('fallback_model', models.CharField(blank=True, help_text='Handle of the model that replies while the other one fails.', max_length=200, null=True)),
                ('on_busy', models.CharField(blank=True, choices=[('reject', 'reject: respond with 409'), ('queue', 'queue: run it after the turns that were accepted before'), ('interrupt', 'interrupt: cancel those turns, then run it')], help_text='For messages to a busy conversation; by default, background messages queue and others are rejected.', max_length=9, null=True)),
                ('embedding', models.CharField(blank=True, max_length=200, null=True)),
                ('max_files_open', models.PositiveSmallIntegerField(blank=True, help_text='How many files of its folders are in its prompt; by default, as its context window permits.', null=True)),
                ('per_file_view_window_char_limit', models.PositiveIntegerField(blank=True, help_text='How many characters of each; the same default.', null=True)),
                ('files_version', models.PositiveIntegerField(default=0, editable=False, help_text='Counts the changes of what prompts have of files.')),
                ('context_window_limit', models.PositiveIntegerField(default=128000)),
                ('timezone', models.CharField(default='UTC', max_length=64)),
                ('tool_rules', models.JSONField(blank=True, default=list, help_text='Rules for the use of tools, as V1 writes them.')),
                ('tags', conversations.models.base.TagsField()),
                ('metadata', models.JSONField(blank=True, default=dict)),
                ('hidden', models.BooleanField(blank=True, null=True)),
                ('isolated_labels', models.JSONField(blank=True, default=list, help_text='The isolation policy: labels isolated in every new conversation.')),
                ('last_run_completed_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('deleted_at', models.DateTimeField(blank=True, editable=False, null=True)),
            ],
            options={
                'ordering': ['-created_at', '-id'],
            },
        ),
        migrations.CreateModel(
            name='Block',
            fields=[
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('id', conversations.ids.PrefixedUUIDField(prefix='block', primary_key=True, serialize=False)),
                ('label', models.CharField(blank=True, max_length=200)),
                ('value', models.TextField(blank=True)),
                ('characters', models.GeneratedField(db_persist=True, expression=django.db.models.functions.text.Length('value'), help_text='Length of the value; quotas add it up.', output_field=models.PositiveIntegerField())),
                ('limit', models.PositiveIntegerField(default=100000, help_text='Maximum number of characters of the value.', validators=[django.core.validators.MinValueValidator(1)])),
                ('description', models.TextField(blank=True, help_text='Tells the model what the block is for.', null=True)),
                ('metadata', models.JSONField(blank=True, default=dict)),
                ('read_only', models.BooleanField(default=False, help_text="Tools can't edit it.")),
                ('copy_on_write', models.BooleanField(default=False, help_text='The first edit from a conversation isolates the label there.')),
                ('hidden', models.BooleanField(blank=True, help_text='Omitted from lists.', null=True)),
                ('tags', conversations.models.base.TagsField()),
                ('version', models.PositiveIntegerField(default=1, editable=False, help_text='The number of the newest revision.')),
                ('is_template', models.BooleanField(default=False)),
                ('template_name', models.CharField(blank=True, max_length=200, null=True)),
                ('project_id', models.CharField(blank=True, max_length=200, null=True)),
                ('deleted_at', models.DateTimeField(blank=True, editable=False, null=True)),
            ],
            options={
                'ordering': ['created_at', 'id'],
            },
        ),
        migrations.CreateModel(
            name='File',
            fields=[
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('id', conversations.ids.PrefixedUUIDField(prefix='file', primary_key=True, serialize=False)),
                ('name', models.CharField(help_text='Unique in the folder.', max_length=255)),
                ('original_name', models.CharField(help_text='The name that it was uploaded with.', max_length=255)),
                ('media_type', models.CharField(blank=True, max_length=200)),
                ('size', models.PositiveIntegerField(help_text='In bytes.')),
                ('upload', models.BinaryField(null=True)),
                ('content', models.TextField(editable=False, null=True)),
                ('status', models.CharField(choices=[('parsing', 'parsing'), ('parsed', 'parsed'), ('error', 'error')], default='parsing', max_length=7)),
                ('error', models.TextField(blank=True)),
                ('chunks', models.PositiveIntegerField(help_text='The number of its passages.', null=True)),
                ('parse_at', models.DateTimeField(editable=False, null=True)),
                ('parse_attempts', models.PositiveSmallIntegerField(default=0, editable=False)),
            ],
            options={
                'ordering': ['-created_at', '-id'],
            },
        ),
        migrations.CreateModel(
            name='McpServer',
            fields=[
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('id', conversations.ids.PrefixedUUIDField(prefix='mcp_server', primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=200)),
                ('kind', models.CharField(choices=[('streamable_http', 'streamable HTTP'), ('sse', 'SSE')], max_length=20, verbose_name='protocol')),
                ('url', models.CharField(max_length=2000, verbose_name='URL')),
                ('auth_header', models.CharField(blank=True, help_text='The header that has the token.', max_length=200, null=True)),
                ('token', conversations.models.secrets.SecretField(null=True)),
            ],
            options={
                'verbose_name': 'MCP server',
                'ordering': ['created_at', 'id'],
            },
        ),
        migrations.CreateModel(
            name='AgentArchive',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('is_owner', models.BooleanField(default=False, help_text='The archive was created for the agent and is purged with it.')),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('agent', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='archive_links', to='conversations.agent')),
            ],
            options={
                'verbose_name': 'attached archive',
            },
        ),
        migrations.CreateModel(
            name='AgentFolder',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('agent', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='folder_links', to='conversations.agent')),
            ],
            options={
                'verbose_name': 'attached folder',
            },
        ),
        migrations.CreateModel(
            name='AgentIdentity',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('agent', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='identity_links', to='conversations.agent')),
            ],
            options={
                'verbose_name': 'identity of an agent',
                'verbose_name_plural': 'identities of agents',
            },
        ),
        migrations.CreateModel(
            name='Archive',
            fields=[
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('id', conversations.ids.PrefixedUUIDField(prefix='archive', primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=200)),
                ('description', models.TextField(blank=True, null=True)),
                ('embedding', models.CharField(blank=True, help_text='A handle: provider/model. It makes the vectors; without it, search is by words.', max_length=200, null=True)),
                ('metadata', models.JSONField(blank=True, null=True)),
                ('deleted_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('agents', models.ManyToManyField(related_name='archives', through='conversations.AgentArchive', to='conversations.agent')),
            ],
            options={
                'ordering': ['-created_at', '-id'],
            },
        ),
        migrations.AddField(
            model_name='agentarchive',
            name='archive',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='agent_links', to='conversations.archive'),
        ),
        migrations.CreateModel(
            name='AgentBlock',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('label', models.CharField(editable=False, help_text="Copy of the block's label, for uniqueness.", max_length=200)),
                ('position', models.PositiveIntegerField(help_text='Position in the prompt, from 0.')),
                ('agent', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='block_links', to='conversations.agent')),
                ('block', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='agent_links', to='conversations.block')),
            ],
            options={
                'verbose_name': 'attached block',
            },
        ),
        migrations.AddField(
            model_name='agent',
            name='blocks',
            field=models.ManyToManyField(related_name='agents', through='conversations.AgentBlock', to='conversations.block'),
        ),
        migrations.CreateModel(
            name='BlockIdentity',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('block', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='identity_links', to='conversations.block')),
            ],
            options={
                'verbose_name': 'identity of a block',
                'verbose_name_plural': 'identities of blocks',
            },
        ),
        migrations.CreateModel(
            name='Conversation',
            fields=[
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('id', conversations.ids.PrefixedUUIDField(prefix='conv', primary_key=True, serialize=False)),
                ('is_default', models.BooleanField(default=False, editable=False, help_text="The agent's own conversation.")),
                ('summary', models.TextField(blank=True, null=True)),
                ('description', models.TextField(blank=True, null=True)),
                ('model', models.CharField(blank=True, help_text="Overrides the agent's model.", max_length=200, null=True)),
                ('model_settings', models.JSONField(blank=True, null=True)),
                ('context_window_limit', models.PositiveIntegerField(blank=True, null=True)),
                ('hidden', models.BooleanField(default=False)),
                ('version', models.PositiveIntegerField(default=1, editable=False, help_text='Number of changes of its fields.')),
                ('compiled_from', models.JSONField(default=dict, editable=False, help_text='Fingerprint of the stored system message: see domain/memory/prompt.py.')),
                ('compiled_at', models.DateTimeField(editable=False, null=True)),
                ('last_message_at', models.DateTimeField(blank=True, null=True)),
                ('last_run_completed_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('archived_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('deleted_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('agent', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='conversations', to='conversations.agent')),
                ('forked_from', models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='forks', to='conversations.conversation')),
            ],
            options={
                'ordering': ['-created_at', '-id'],
            },
        ),
        migrations.AddField(
            model_name='block',
            name='conversation',
            field=models.ForeignKey(blank=True, editable=False, help_text='The conversation that an isolated block belongs to, for life.', null=True, on_delete=django.db.models.deletion.CASCADE, related_name='own_blocks', to='conversations.conversation'),
        ),
        migrations.CreateModel(
            name='ConversationMessage',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('position', models.PositiveIntegerField()),
                ('in_context', models.BooleanField(default=True, help_text='Whether the model reads it.')),
                ('conversation', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='message_links', to='conversations.conversation')),
            ],
            options={
                'ordering': ['conversation', 'position'],
            },
        ),
        migrations.CreateModel(
            name='AgentFile',
            fields=[
                ('id', conversations.ids.PrefixedUUIDField(prefix='file_agent', primary_key=True, serialize=False)),
                ('is_open', models.BooleanField(default=False)),
                ('start_line', models.PositiveIntegerField(null=True)),
                ('end_line', models.PositiveIntegerField(null=True)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('accessed_at', models.DateTimeField(default=django.utils.timezone.now, help_text='When an agent opened or found it; the oldest is closed.')),
                ('agent', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='file_links', to='conversations.agent')),
                ('folder_link', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='files', to='conversations.agentfolder')),
                ('file', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='agent_links', to='conversations.file')),
            ],
            options={
                'verbose_name': 'file of an agent',
                'verbose_name_plural': 'files of agents',
            },
        ),
        migrations.CreateModel(
            name='Folder',
            fields=[
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('id', conversations.ids.PrefixedUUIDField(prefix='source', primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=200)),
                ('description', models.TextField(blank=True, null=True)),
                ('instructions', models.TextField(blank=True, help_text='How agents use the folder; prompts have it.', null=True)),
                ('metadata', models.JSONField(blank=True, null=True)),
                ('agents', models.ManyToManyField(related_name='folders', through='conversations.AgentFolder', to='conversations.agent')),
                ('archive', models.OneToOneField(editable=False, help_text='Of the chunks.', on_delete=django.db.models.deletion.PROTECT, related_name='folder', to='conversations.archive')),
            ],
            options={
                'ordering': ['-created_at', '-id'],
            },
        ),
        migrations.AddField(
            model_name='file',
            name='folder',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='files', to='conversations.folder'),
        ),
        migrations.AddField(
            model_name='agentfolder',
            name='folder',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='agent_links', to='conversations.folder'),
        ),
        migrations.CreateModel(
            name='Identity',
            fields=[
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('id', conversations.ids.PrefixedUUIDField(prefix='identity', primary_key=True, serialize=False)),
                ('identifier_key', models.CharField(help_text='Your own id of the user, unique in the organization.', max_length=200)),
                ('name', models.CharField(blank=True, max_length=200)),
                ('identity_type', models.CharField(choices=[('org', 'organization'), ('user', 'user'), ('other', 'other')], max_length=5)),
                ('properties', models.JSONField(blank=True, default=list, help_text='Objects with `key`, `value` and `type`.')),
                ('project_id', models.CharField(blank=True, max_length=200, null=True)),
                ('deleted_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('agents', models.ManyToManyField(related_name='identities', through='conversations.AgentIdentity', to='conversations.agent')),
                ('blocks', models.ManyToManyField(related_name='identities', through='conversations.BlockIdentity', to='conversations.block')),
            ],
            options={
                'verbose_name_plural': 'identities',
                'ordering': ['-created_at', '-id'],
            },
        ),
        migrations.AddField(
            model_name='blockidentity',
            name='identity',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='block_links', to='conversations.identity'),
        ),
        migrations.AddField(
            model_name='agentidentity',
            name='identity',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='agent_links', to='conversations.identity'),
        ),
        migrations.CreateModel(
            name='IsolatedBlock',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('label', models.CharField(editable=False, max_length=200)),
                ('base_value', models.TextField(editable=False, help_text='The shared text when the label was isolated or last reset, rebased or promoted.')),
                ('base_version', models.PositiveIntegerField(editable=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('block', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='isolations', to='conversations.block')),
                ('conversation', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='isolations', to='conversations.conversation')),
                ('source_block', models.ForeignKey(editable=False, help_text='The shared block of the base.', null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='conversations.block')),
            ],
        ),
        migrations.AddField(
            model_name='conversation',
            name='isolated_blocks',
            field=models.ManyToManyField(help_text='The isolated blocks in force, which override the shared ones.', related_name='isolating_conversations', through='conversations.IsolatedBlock', through_fields=('conversation', 'block'), to='conversations.block'),
        ),
        migrations.CreateModel(
            name='McpHeader',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=200)),
                ('value', conversations.models.secrets.SecretField()),
                ('server', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='headers', to='conversations.mcpserver')),
            ],
            options={
                'verbose_name': 'header',
                'ordering': ['id'],
            },
        ),
        migrations.CreateModel(
            name='Member',
            fields=[
                ('id', conversations.ids.PrefixedUUIDField(prefix='user', primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=150)),
                ('is_active', models.BooleanField(default=True, help_text='The API keys of an inactive member are refused.')),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('user', models.OneToOneField(blank=True, help_text='Who logs in to the console as this member. A program has none.', null=True, on_delete=conversations.models.accounts.release_members, related_name='member', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ['name', 'id'],
            },
        ),
        migrations.AddField(
            model_name='mcpserver',
            name='created_by',
            field=models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='conversations.member'),
        ),
        migrations.AddField(
            model_name='mcpserver',
            name='last_updated_by',
            field=models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='conversations.member'),
        ),
        migrations.AddField(
            model_name='identity',
            name='created_by',
            field=models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='conversations.member'),
        ),
        migrations.AddField(
            model_name='identity',
            name='last_updated_by',
            field=models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='conversations.member'),
        ),
        migrations.AddField(
            model_name='folder',
            name='created_by',
            field=models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='conversations.member'),
        ),
        migrations.AddField(
            model_name='folder',
            name='last_updated_by',
            field=models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='conversations.member'),
        ),
        migrations.AddField(
            model_name='file',
            name='created_by',
            field=models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='conversations.member'),
        ),
        migrations.AddField(
            model_name='file',
            name='last_updated_by',
            field=models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='conversations.member'),
        ),
        migrations.AddField(
            model_name='conversation',
            name='created_by',
            field=models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='conversations.member'),
        ),
        migrations.AddField(
            model_name='conversation',
            name='last_updated_by',
            field=models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='conversations.member'),
        ),
        migrations.AddField(
            model_name='block',
            name='created_by',
            field=models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='conversations.member'),
        ),
        migrations.AddField(
            model_name='block',
            name='last_updated_by',
            field=models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='conversations.member'),
        ),
        migrations.AddField(
            model_name='archive',
            name='created_by',
            field=models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='conversations.member'),
        ),
        migrations.AddField(
            model_name='archive',
            name='last_updated_by',
            field=models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='conversations.member'),
        ),
        migrations.AddField(
            model_name='agent',
            name='created_by',
            field=models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='conversations.member'),
        ),
        migrations.AddField(
            model_name='agent',
            name='last_updated_by',
            field=models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='conversations.member'),
        ),
        migrations.CreateModel(
            name='Message',
            fields=[
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('id', conversations.ids.PrefixedUUIDField(prefix='message', primary_key=True, serialize=False)),
                ('role', models.CharField(choices=[('system', 'System'), ('user', 'User'), ('assistant', 'Assistant'), ('tool', 'Tool'), ('summary', 'Summary'), ('approval', 'Approval')], max_length=9)),
                ('content', conversations.models.messages.PartsField(blank=True, default=list, help_text='Parts: {"type": "text", "text": …} and others.')),
                ('tool_calls', models.JSONField(blank=True, default=list)),
                ('tool_call_id', models.CharField(blank=True, max_length=200, null=True)),
                ('tool_returns', models.JSONField(blank=True, default=list)),
                ('name', models.CharField(blank=True, max_length=200, null=True)),
                ('otid', models.CharField(blank=True, help_text="The client's id for the message.", max_length=200, null=True)),
                ('sender_id', models.CharField(blank=True, max_length=200, null=True)),
                ('group_id', models.CharField(blank=True, max_length=200, null=True)),
                ('model', models.CharField(blank=True, max_length=200, null=True)),
                ('is_err', models.BooleanField(blank=True, null=True)),
                ('agent', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='messages', to='conversations.agent')),
                ('conversations', models.ManyToManyField(related_name='messages', through='conversations.ConversationMessage', to='conversations.conversation')),
                ('created_by', models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='conversations.member')),
                ('last_updated_by', models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='conversations.member')),
            ],
            options={
                'ordering': ['-created_at', '-id'],
            },
        ),
        migrations.AddField(
            model_name='conversationmessage',
            name='message',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='conversation_links', to='conversations.message'),
        ),
        migrations.AddField(
            model_name='conversation',
            name='forked_at_message',
            field=models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='conversations.message'),
        ),
        migrations.CreateModel(
            name='Organization',
            fields=[
                ('id', conversations.ids.PrefixedUUIDField(prefix='org', primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=200)),
                ('requests_per_minute', models.PositiveBigIntegerField(blank=True, help_text="Of all its API keys together. Empty: the server's default.", null=True, validators=[django.core.validators.MinValueValidator(1)], verbose_name='requests per minute')),
                ('key_requests_per_minute', models.PositiveBigIntegerField(blank=True, help_text="Of a single API key. Empty: the server's default.", null=True, validators=[django.core.validators.MinValueValidator(1)], verbose_name='requests per minute of each key')),
                ('concurrent_turns', models.PositiveBigIntegerField(blank=True, help_text="Turns that are executed or wait for a worker. Empty: the server's default.", null=True, validators=[django.core.validators.MinValueValidator(1)], verbose_name='concurrent turns')),
                ('max_conversations', models.PositiveBigIntegerField(blank=True, help_text="Including the default ones of agents, without deleted ones. Empty: the server's default.", null=True, validators=[django.core.validators.MinValueValidator(1)], verbose_name='conversations')),
                ('max_memory_characters', models.PositiveBigIntegerField(blank=True, help_text="Of all blocks and passages that are not deleted. Empty: the server's default.", null=True, validators=[django.core.validators.MinValueValidator(1)], verbose_name='characters of memory')),
                ('conversation_retention_days', models.PositiveIntegerField(blank=True, help_text='Delete conversations without a message for this many days. Empty: keep them.', null=True, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(36500)])),
                ('created_at', models.DateTimeField(auto_now_add=True)),
            ],
            options={
                'ordering': ['name'],
                'constraints': [models.UniqueConstraint(fields=('name',), name='organization_name_is_unique'), models.CheckConstraint(condition=models.Q(('requests_per_minute', None), ('requests_per_minute__gt', 0), _connector='OR'), name='requests_per_minute_is_positive'), models.CheckConstraint(condition=models.Q(('key_requests_per_minute', None), ('key_requests_per_minute__gt', 0), _connector='OR'), name='key_requests_per_minute_is_positive'), models.CheckConstraint(condition=models.Q(('concurrent_turns', None), ('concurrent_turns__gt', 0), _connector='OR'), name='concurrent_turns_is_positive'), models.CheckConstraint(condition=models.Q(('max_conversations', None), ('max_conversations__gt', 0), _connector='OR'), name='max_conversations_is_positive'), models.CheckConstraint(condition=models.Q(('max_memory_characters', None), ('max_memory_characters__gt', 0), _connector='OR'), name='max_memory_characters_is_positive'), models.CheckConstraint(condition=models.Q(('conversation_retention_days', None), ('conversation_retention_days__gt', 0), _connector='OR'), name='conversation_retention_days_is_positive')],
            },
        ),
        migrations.AddField(
            model_name='message',
            name='organization',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to='conversations.organization'),
        ),
        migrations.AddField(
            model_name='member',
            name='organization',
            field=models.ForeignKey(blank=True, help_text="Only a superuser's member, who acts in every organization, can be without one.", null=True, on_delete=django.db.models.deletion.PROTECT, related_name='members', to='conversations.organization'),
        ),
        migrations.AddField(
            model_name='mcpserver',
            name='organization',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to='conversations.organization'),
        ),
        migrations.AddField(
            model_name='identity',
            name='organization',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to='conversations.organization'),
        ),
        migrations.AddField(
            model_name='folder',
            name='organization',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to='conversations.organization'),
        ),
        migrations.AddField(
            model_name='file',
            name='organization',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to='conversations.organization'),
        ),
        migrations.AddField(
            model_name='conversation',
            name='organization',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to='conversations.organization'),
        ),
        migrations.AddField(
            model_name='block',
            name='organization',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to='conversations.organization'),
        ),
        migrations.CreateModel(
            name='AuditEvent',
            fields=[
                ('id', conversations.ids.PrefixedUUIDField(prefix='audit', primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, verbose_name='time')),
                ('action', models.CharField(max_length=40)),
                ('source', models.CharField(help_text='Through what: api, admin, command, import.', max_length=10)),
                ('actor', models.CharField(help_text='Name of the member or the Django user.', max_length=150)),
                ('member_id', models.CharField(blank=True, max_length=50)),
                ('key_id', models.CharField(blank=True, max_length=50, verbose_name='API key')),
                ('object_type', models.CharField(blank=True, max_length=50)),
                ('object_id', models.CharField(blank=True, max_length=50)),
                ('address', models.CharField(blank=True, help_text="The client's IP address.", max_length=64)),
                ('request_id', models.CharField(blank=True, max_length=128, verbose_name='request')),
                ('details', models.JSONField(default=dict, help_text='Never secrets or texts of memory.')),
                ('organization', models.ForeignKey(help_text='Whose access or data it is about; none for logins of superusers and strangers.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='audit_events', to='conversations.organization')),
            ],
            options={
                'ordering': ['-created_at', '-id'],
            },
        ),
        migrations.AddField(
            model_name='archive',
            name='organization',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to='conversations.organization'),
        ),
        migrations.CreateModel(
            name='ApiKey',
            fields=[
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('id', conversations.ids.PrefixedUUIDField(prefix='key', primary_key=True, serialize=False)),
                ('name', models.CharField(blank=True, max_length=200)),
                ('prefix', models.CharField(editable=False, help_text='The first characters, which identify the key.', max_length=16)),
                ('digest', models.CharField(editable=False, max_length=64)),
                ('scope', models.CharField(choices=[('read', 'read: read, search, preview and follow streams'), ('converse', 'converse: also conversations, their messages and their overrides'), ('write', 'write: also agents, blocks and tools'), ('admin', 'admin: also API keys, members and the audit log')], default='write', max_length=8)),
                ('expires_at', models.DateTimeField(blank=True, null=True)),
                ('last_used_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('revoked_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('replaces', models.OneToOneField(blank=True, editable=False, help_text='The key that was rotated into this one.', null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='replaced_by', to='conversations.apikey')),
                ('created_by', models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='conversations.member')),
                ('last_updated_by', models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='conversations.member')),
                ('member', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='api_keys', to='conversations.member')),
                ('organization', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to='conversations.organization')),
            ],
            options={
                'verbose_name': 'API key',
                'ordering': ['-created_at', '-id'],
            },
        ),
        migrations.AddField(
            model_name='agent',
            name='organization',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to='conversations.organization'),
        ),
        migrations.CreateModel(
            name='Passage',
            fields=[
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('id', conversations.ids.PrefixedUUIDField(prefix='passage', primary_key=True, serialize=False)),
                ('text', models.TextField(blank=True)),
                ('characters', models.GeneratedField(db_persist=True, expression=django.db.models.functions.text.Length('text'), help_text='Length of the text; quotas add it up.', output_field=models.PositiveIntegerField())),
                ('tags', conversations.models.base.TagsField()),
                ('metadata', models.JSONField(blank=True, default=dict)),
                ('embedding', conversations.models.archives.VectorField(editable=False, null=True)),
                ('dimensions', models.PositiveSmallIntegerField(editable=False, help_text='The length of the vector.', null=True)),
                ('embed_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('embed_attempts', models.PositiveSmallIntegerField(default=0, editable=False)),
                ('words', models.GeneratedField(db_persist=True, expression=conversations.models.archives.SearchDocument(models.F('text'), models.F('archive')), output_field=conversations.models.archives.WordsField(null=True))),
                ('deleted_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('archive', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='passages', to='conversations.archive')),
                ('created_by', models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='conversations.member')),
                ('file', models.ForeignKey(blank=True, editable=False, help_text='The file that it is a chunk of.', null=True, on_delete=django.db.models.deletion.CASCADE, related_name='passages', to='conversations.file')),
                ('last_updated_by', models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='conversations.member')),
                ('organization', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to='conversations.organization')),
            ],
            options={
                'ordering': ['-created_at', '-id'],
            },
        ),
        migrations.CreateModel(
            name='ReadingPeriod',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('label', models.CharField(max_length=200)),
                ('position', models.PositiveIntegerField(help_text='Position in the prompt; 0 if isolated.')),
                ('since', models.DateTimeField()),
                ('until', models.DateTimeField(null=True)),
                ('agent', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='reading_periods', to='conversations.agent')),
                ('begun_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='conversations.member')),
                ('block', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='reading_periods', to='conversations.block')),
                ('conversation', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='reading_periods', to='conversations.conversation')),
                ('ended_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='conversations.member')),
            ],
        ),
        migrations.CreateModel(
            name='Run',
            fields=[
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('id', conversations.ids.PrefixedUUIDField(prefix='run', primary_key=True, serialize=False)),
                ('status', models.CharField(choices=[('queued', 'Queued'), ('created', 'Created'), ('running', 'Running'), ('completed', 'Completed'), ('failed', 'Failed'), ('cancelled', 'Cancelled')], default='created', max_length=9)),
                ('stop_reason', models.CharField(blank=True, max_length=50, null=True)),
                ('queue_position', models.PositiveIntegerField(blank=True, editable=False, help_text='Its place in the queue of its conversation, from 1, also afterwards.', null=True)),
                ('background', models.BooleanField(default=False)),
                ('metadata', models.JSONField(blank=True, default=dict)),
                ('request_config', models.JSONField(blank=True, default=dict)),
                ('request', models.JSONField(blank=True, default=dict, editable=False, help_text='What the turn was asked; emptied when it completes: its messages say it then.')),
                ('request_digest', models.CharField(blank=True, editable=False, help_text='SHA-256 of what was asked.', max_length=64)),
                ('otid', models.CharField(blank=True, editable=False, help_text="The client's own id of its first message: sending it again is no new turn.", max_length=200, null=True)),
                ('usage', models.JSONField(blank=True, default=dict, help_text='Tokens, as the model counts them.')),
                ('error', models.TextField(blank=True)),
                ('error_type', models.CharField(blank=True, max_length=50)),
                ('cancel_requested_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('worker', models.CharField(blank=True, max_length=200)),
                ('attempts', models.PositiveSmallIntegerField(db_default=0, default=0, help_text='How many workers have executed the run, the present one included.')),
                ('queued_at', models.DateTimeField(blank=True, help_text='Since when it waits, or last waited, for a worker.', null=True)),
                ('heartbeat_at', models.DateTimeField(blank=True, null=True)),
                ('started_at', models.DateTimeField(blank=True, null=True)),
                ('completed_at', models.DateTimeField(blank=True, null=True)),
                ('events_removed', models.BooleanField(db_default=False, default=False, editable=False, help_text='Whether EVENT_RETENTION has ended; its messages stay.')),
                ('ttft_ns', models.BigIntegerField(blank=True, help_text='Nanoseconds.', null=True, verbose_name='time to first token')),
                ('total_duration_ns', models.BigIntegerField(blank=True, help_text='Nanoseconds.', null=True)),
                ('agent', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='runs', to='conversations.agent')),
                ('conversation', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='runs', to='conversations.conversation')),
                ('created_by', models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='conversations.member')),
                ('last_updated_by', models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='conversations.member')),
                ('organization', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to='conversations.organization')),
            ],
            options={
                'ordering': ['-created_at', '-id'],
            },
        ),
        migrations.AddField(
            model_name='message',
            name='run',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='messages', to='conversations.run'),
        ),
        migrations.CreateModel(
            name='IdempotencyRecord',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('key', models.CharField(max_length=255)),
                ('digest', models.CharField(help_text='SHA-256 of the request.', max_length=64)),
                ('status', models.PositiveSmallIntegerField(blank=True, help_text='HTTP status.', null=True)),
                ('headers', models.JSONField(blank=True, default=dict)),
                ('body', conversations.models.secrets.SecretField(blank=True, default='')),
                ('created_at', models.DateTimeField(auto_now_add=True, db_index=True)),
                ('organization', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='conversations.organization')),
                ('run', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='idempotency_records', to='conversations.run')),
            ],
        ),
        migrations.CreateModel(
            name='BlockRevision',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.PositiveIntegerField()),
                ('value', models.TextField(blank=True)),
                ('description', models.TextField(blank=True, null=True)),
                ('limit', models.PositiveIntegerField()),
                ('attributes', models.JSONField(editable=False, help_text="The block's other fields; null if not recorded.", null=True)),
                ('restored_number', models.PositiveIntegerField(editable=False, help_text='The revision whose state an undo, redo or restore took.', null=True)),
                ('base_version', models.PositiveIntegerField(editable=False, help_text='The shared version that this edit of an isolated block set as its base.', null=True)),
                ('source', models.CharField(choices=[('api', 'API'), ('admin', 'admin'), ('tool', 'tool'), ('command', 'command'), ('import', 'import'), ('restore', 'restore'), ('promote', 'promote'), ('reset', 'reset'), ('rebase', 'rebase'), ('fork', 'fork'), ('undo', 'undo'), ('redo', 'redo')], max_length=8)),
                ('reason', models.TextField(blank=True)),
                ('unconditional', models.BooleanField(default=False, help_text='Written without the version that it was based on.')),
                ('written_at', models.DateTimeField(auto_now_add=True)),
                ('block', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='revisions', to='conversations.block')),
                ('conversation', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='conversations.conversation')),
                ('written_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='conversations.member')),
                ('run', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='conversations.run')),
            ],
            options={
                'verbose_name': 'revision',
                'ordering': ['-number'],
            },
        ),
        migrations.CreateModel(
            name='RunEvent',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('seq', models.PositiveIntegerField(help_text='From 1.')),
                ('data', models.JSONField()),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('run', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='events', to='conversations.run')),
            ],
            options={
                'verbose_name': 'event',
                'ordering': ['run', 'seq'],
            },
        ),
        migrations.CreateModel(
            name='Step',
            fields=[
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('id', conversations.ids.PrefixedUUIDField(prefix='step', primary_key=True, serialize=False)),
                ('number', models.PositiveIntegerField(help_text='From 1.')),
                ('model', models.CharField(blank=True, max_length=200)),
                ('stop_reason', models.CharField(blank=True, max_length=50, null=True)),
                ('usage', models.JSONField(blank=True, default=dict)),
                ('blocks_seen', models.JSONField(blank=True, default=list, help_text='What the model read: [{"label", "block_id", "version", "origin"}].')),
                ('error', models.TextField(blank=True)),
                ('trace', models.JSONField(editable=False, help_text='The request and the reply; null after EVENT_RETENTION, or without STEP_TRACES.', null=True)),
                ('model_ns', models.BigIntegerField(help_text='Until the end of the reply.', null=True)),
                ('tools_ns', models.BigIntegerField(help_text='Of the tools that the server ran.', null=True)),
                ('feedback', models.CharField(blank=True, choices=[('positive', 'positive'), ('negative', 'negative')], max_length=8, null=True)),
                ('tags', conversations.models.base.TagsField()),
                ('created_by', models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='conversations.member')),
                ('last_updated_by', models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='conversations.member')),
                ('organization', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to='conversations.organization')),
                ('run', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='steps', to='conversations.run')),
            ],
            options={
                'ordering': ['run', 'number'],
            },
        ),
        migrations.AddField(
            model_name='message',
            name='step',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='messages', to='conversations.step'),
        ),
        migrations.CreateModel(
            name='Tool',
            fields=[
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('id', conversations.ids.PrefixedUUIDField(prefix='tool', primary_key=True, serialize=False)),
                ('name', models.CharField(help_text='The name by which a model calls it.', max_length=200)),
                ('tool_type', models.CharField(default='custom', editable=False, max_length=50)),
                ('description', models.TextField(blank=True, null=True)),
                ('source_type', models.CharField(blank=True, default='python', editable=False, max_length=20)),
                ('source_code', models.TextField(blank=True, null=True)),
                ('json_schema', models.JSONField(blank=True, help_text='Name, description and parameters, as the model sees it.', null=True)),
                ('args_json_schema', models.JSONField(blank=True, editable=False, null=True)),
                ('return_char_limit', models.PositiveIntegerField(default=50000, help_text='Longer results are cut, in characters.')),
                ('tags', conversations.models.base.TagsField()),
                ('pip_requirements', models.JSONField(blank=True, editable=False, null=True)),
                ('npm_requirements', models.JSONField(blank=True, editable=False, null=True)),
                ('default_requires_approval', models.BooleanField(blank=True, help_text='Agents that it is attached to ask before each call.', null=True)),
                ('enable_parallel_execution', models.BooleanField(default=False, help_text='Several calls may run at the same time.')),
                ('network', models.BooleanField(default=False, help_text='Its code may use the network.')),
                ('metadata', models.JSONField(blank=True, default=dict)),
                ('mcp_name', models.CharField(editable=False, max_length=200, null=True)),
                ('created_by', models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='conversations.member')),
                ('last_updated_by', models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='conversations.member')),
                ('mcp_server', models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='tools', to='conversations.mcpserver')),
                ('organization', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to='conversations.organization')),
            ],
            options={
                'ordering': ['-created_at', '-id'],
            },
        ),
        migrations.CreateModel(
            name='AgentTool',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('position', models.PositiveIntegerField(help_text="Position in the agent's list, from 0.")),
                ('agent', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='tool_links', to='conversations.agent')),
                ('tool', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='agent_links', to='conversations.tool')),
            ],
            options={
                'verbose_name': 'attached tool',
            },
        ),
        migrations.AddField(
            model_name='agent',
            name='tools',
            field=models.ManyToManyField(related_name='agents', through='conversations.AgentTool', to='conversations.tool'),
        ),
        migrations.CreateModel(
            name='AgentVariable',
            fields=[
                ('id', conversations.ids.PrefixedUUIDField(prefix='agent-env', primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=200)),
                ('value', conversations.models.secrets.SecretField()),
                ('description', models.TextField(blank=True, null=True)),
                ('agent', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='variables', to='conversations.agent')),
            ],
            options={
                'verbose_name': 'environment variable',
                'constraints': [models.UniqueConstraint(fields=('agent', 'name'), name='variable_is_unique_per_agent')],
            },
        ),
        migrations.AddConstraint(
            model_name='agentarchive',
            constraint=models.UniqueConstraint(fields=('agent',), name='one_archive_per_agent'),
        ),
        migrations.AddConstraint(
            model_name='agentblock',
            constraint=models.UniqueConstraint(fields=('agent', 'label'), name='one_block_per_agent_and_label'),
        ),
        migrations.AddConstraint(
            model_name='agentblock',
            constraint=models.UniqueConstraint(fields=('agent', 'block'), name='block_attached_once_per_agent'),
        ),
        migrations.AddConstraint(
            model_name='agentfile',
            constraint=models.UniqueConstraint(fields=('agent', 'file'), name='file_is_once_per_agent'),
        ),
        migrations.AddConstraint(
            model_name='agentfolder',
            constraint=models.UniqueConstraint(fields=('agent', 'folder'), name='folder_attached_once_per_agent'),
        ),
        migrations.AddConstraint(
            model_name='blockidentity',
            constraint=models.UniqueConstraint(fields=('block', 'identity'), name='identity_attached_once_per_block'),
        ),
        migrations.AddConstraint(
            model_name='agentidentity',
            constraint=models.UniqueConstraint(fields=('agent', 'identity'), name='identity_attached_once_per_agent'),
        ),
        migrations.AddConstraint(
            model_name='isolatedblock',
            constraint=models.UniqueConstraint(fields=('conversation', 'label'), name='one_isolated_block_per_conversation_and_label'),
        ),
        migrations.AddConstraint(
            model_name='isolatedblock',
            constraint=models.UniqueConstraint(fields=('block',), name='block_is_isolated_in_one_conversation_only'),
        ),
        migrations.AddConstraint(
            model_name='mcpheader',
            constraint=models.UniqueConstraint(fields=('server', 'name'), name='header_is_unique_per_mcp_server'),
        ),
        migrations.AddIndex(
            model_name='conversationmessage',
            index=models.Index(condition=models.Q(('in_context', True)), fields=['conversation', 'position'], name='messages_in_context'),
        ),
        migrations.AddConstraint(
            model_name='conversationmessage',
            constraint=models.UniqueConstraint(fields=('conversation', 'position'), name='message_position_is_unique'),
        ),
        migrations.AddConstraint(
            model_name='conversationmessage',
            constraint=models.UniqueConstraint(fields=('conversation', 'message'), name='message_once_per_conversation'),
        ),
        migrations.AddConstraint(
            model_name='member',
            constraint=models.UniqueConstraint(fields=('organization', 'name'), name='member_name_is_unique_in_organization'),
        ),
        migrations.AddConstraint(
            model_name='member',
            constraint=models.CheckConstraint(condition=models.Q(('organization__isnull', False), ('user__isnull', False), _connector='OR'), name='only_a_users_member_is_without_organization', violation_error_message='A member without a Django user needs an organization.'),
        ),
        migrations.AddConstraint(
            model_name='mcpserver',
            constraint=models.UniqueConstraint(fields=('organization', 'name'), name='mcp_server_name_is_unique_per_organization'),
        ),
        migrations.AddConstraint(
            model_name='mcpserver',
            constraint=models.CheckConstraint(condition=models.Q(('kind__in', ['streamable_http', 'sse'])), name='mcp_server_kind'),
        ),
        migrations.AddIndex(
            model_name='identity',
            index=models.Index(condition=models.Q(('deleted_at', None)), fields=['organization', 'created_at', 'id'], name='identities_by_creation'),
        ),
        migrations.AddConstraint(
            model_name='identity',
            constraint=models.UniqueConstraint(condition=models.Q(('deleted_at', None)), fields=('organization', 'identifier_key'), name='identifier_key_is_unique_per_organization'),
        ),
        migrations.AddConstraint(
            model_name='identity',
            constraint=models.CheckConstraint(condition=models.Q(('identity_type__in', ['org', 'user', 'other'])), name='identity_type_is_known'),
        ),
        migrations.AddIndex(
            model_name='folder',
            index=models.Index(fields=['organization', 'created_at', 'id'], name='folders_by_creation'),
        ),
        migrations.AddConstraint(
            model_name='folder',
            constraint=models.UniqueConstraint(fields=('organization', 'name'), name='folder_name_is_unique_per_organization'),
        ),
        migrations.AddIndex(
            model_name='file',
            index=models.Index(fields=['folder', 'created_at', 'id'], name='files_by_creation'),
        ),
        migrations.AddIndex(
            model_name='file',
            index=models.Index(condition=models.Q(('parse_at__isnull', False)), fields=['parse_at'], name='files_to_parse'),
        ),
        migrations.AddConstraint(
            model_name='file',
            constraint=models.UniqueConstraint(fields=('folder', 'name'), name='file_name_is_unique_in_folder'),
        ),
        migrations.AddConstraint(
            model_name='file',
            constraint=models.CheckConstraint(condition=models.Q(('status__in', ['parsing', 'parsed', 'error'])), name='file_status_is_known'),
        ),
        migrations.AddConstraint(
            model_name='file',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('status', 'parsed'), _negated=True), ('content__isnull', False), _connector='OR'), name='parsed_file_has_its_text'),
        ),
        migrations.AddIndex(
            model_name='conversation',
            index=models.Index(fields=['agent', 'created_at', 'id'], name='agent_convs_by_creation'),
        ),
        migrations.AddIndex(
            model_name='conversation',
            index=models.Index(fields=['organization', 'created_at', 'id'], name='org_convs_by_creation'),
        ),
        migrations.AddIndex(
            model_name='conversation',
            index=models.Index(condition=models.Q(('deleted_at', None)), fields=['organization', 'agent'], name='org_stored_convs'),
        ),
        migrations.AddIndex(
            model_name='conversation',
            index=models.Index(models.F('agent'), models.OrderBy(django.db.models.lookups.IsNull(models.F('last_message_at'), True)), models.OrderBy(models.F('last_message_at')), models.OrderBy(models.F('id')), name='agent_convs_message_asc'),
        ),
        migrations.AddIndex(
            model_name='conversation',
            index=models.Index(models.F('agent'), models.OrderBy(django.db.models.lookups.IsNull(models.F('last_message_at'), True)), models.OrderBy(models.F('last_message_at'), descending=True), models.OrderBy(models.F('id'), descending=True), name='agent_convs_message_desc'),
        ),
        migrations.AddIndex(
            model_name='conversation',
            index=models.Index(models.F('agent'), models.OrderBy(django.db.models.lookups.IsNull(models.F('last_run_completed_at'), True)), models.OrderBy(models.F('last_run_completed_at')), models.OrderBy(models.F('id')), name='agent_convs_run_asc'),
        ),
        migrations.AddIndex(
            model_name='conversation',
            index=models.Index(models.F('agent'), models.OrderBy(django.db.models.lookups.IsNull(models.F('last_run_completed_at'), True)), models.OrderBy(models.F('last_run_completed_at'), descending=True), models.OrderBy(models.F('id'), descending=True), name='agent_convs_run_desc'),
        ),
        migrations.AddConstraint(
            model_name='conversation',
            constraint=models.UniqueConstraint(condition=models.Q(('is_default', True)), fields=('agent',), name='one_default_conversation_per_agent'),
        ),
        migrations.AddConstraint(
            model_name='conversation',
            constraint=models.CheckConstraint(condition=models.Q(('context_window_limit', None), ('context_window_limit__gt', 0), _connector='OR'), name='conversation_context_window_is_positive'),
        ),
        migrations.AddIndex(
            model_name='block',
            index=models.Index(condition=models.Q(('conversation', None), ('deleted_at', None)), fields=['organization', 'created_at', 'id'], name='ordinary_blocks_by_creation'),
        ),
        migrations.AddIndex(
            model_name='block',
            index=models.Index(condition=models.Q(('conversation', None), ('deleted_at', None)), fields=['organization', 'label', 'created_at', 'id'], name='ordinary_blocks_by_label'),
        ),
        migrations.AddIndex(
            model_name='block',
            index=models.Index(condition=models.Q(('deleted_at', None)), fields=['organization', 'characters'], name='block_characters'),
        ),
        migrations.AddConstraint(
            model_name='block',
            constraint=models.CheckConstraint(condition=django.db.models.lookups.LessThanOrEqual(django.db.models.functions.text.Length('value'), models.F('limit')), name='block_value_is_within_limit', violation_error_message='The value is longer than the limit.'),
        ),
        migrations.AddConstraint(
            model_name='block',
            constraint=models.CheckConstraint(condition=models.Q(('limit__gt', 0)), name='block_limit_is_positive'),
        ),
        migrations.AddIndex(
            model_name='auditevent',
            index=models.Index(fields=['organization', 'created_at', 'id'], name='audit_of_organization'),
        ),
        migrations.AddIndex(
            model_name='auditevent',
            index=models.Index(fields=['created_at', 'id'], name='audit_by_time'),
        ),
        migrations.AddIndex(
            model_name='auditevent',
            index=models.Index(fields=['object_id'], name='audit_by_object'),
        ),
        migrations.AddIndex(
            model_name='archive',
            index=models.Index(fields=['organization', 'created_at', 'id'], name='archives_by_creation'),
        ),
        migrations.AddConstraint(
            model_name='apikey',
            constraint=models.UniqueConstraint(fields=('prefix',), name='api_key_prefix_is_unique'),
        ),
        migrations.AddConstraint(
            model_name='apikey',
            constraint=models.CheckConstraint(condition=models.Q(('scope__in', ['read', 'converse', 'write', 'admin'])), name='api_key_scope_is_known'),
        ),
        migrations.AddIndex(
            model_name='passage',
            index=models.Index(condition=models.Q(('deleted_at', None)), fields=['archive', 'created_at', 'id'], name='archive_passages_by_creation'),
        ),
        migrations.AddIndex(
            model_name='passage',
            index=models.Index(condition=models.Q(('deleted_at', None)), fields=['organization', 'created_at', 'id'], name='passages_by_creation'),
        ),
        migrations.AddIndex(
            model_name='passage',
            index=models.Index(condition=models.Q(('deleted_at', None)), fields=['organization', 'characters'], name='passage_characters'),
        ),
        migrations.AddIndex(
            model_name='passage',
            index=models.Index(condition=models.Q(('embed_at__isnull', False)), fields=['embed_at'], name='passages_without_vector'),
        ),
        migrations.AddConstraint(
            model_name='passage',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('dimensions', None), ('embedding', None)), models.Q(('dimensions__gt', 0), ('embedding__isnull', False)), _connector='OR'), name='passage_dimensions_are_of_its_vector'),
        ),
        migrations.AddConstraint(
            model_name='readingperiod',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('agent', None), ('conversation__isnull', False)), models.Q(('agent__isnull', False), ('conversation', None)), _connector='OR'), name='reading_period_is_of_an_agent_or_a_conversation'),
        ),
        migrations.AddConstraint(
            model_name='readingperiod',
            constraint=models.UniqueConstraint(condition=models.Q(('agent__isnull', False), ('until', None)), fields=('agent', 'label'), name='one_open_reading_period_per_agent_and_label'),
        ),
        migrations.AddConstraint(
            model_name='readingperiod',
            constraint=models.UniqueConstraint(condition=models.Q(('conversation__isnull', False), ('until', None)), fields=('conversation', 'label'), name='one_open_reading_period_per_conversation_and_label'),
        ),
        migrations.AddIndex(
            model_name='run',
            index=models.Index(fields=['organization', 'created_at', 'id'], name='runs_by_creation'),
        ),
        migrations.AddIndex(
            model_name='run',
            index=models.Index(fields=['agent', 'created_at', 'id'], name='agent_runs_by_creation'),
        ),
        migrations.AddIndex(
            model_name='run',
            index=models.Index(fields=['conversation', 'created_at', 'id'], name='conv_runs_by_creation'),
        ),
        migrations.AddIndex(
            model_name='run',
            index=models.Index(condition=models.Q(('completed_at__isnull', False), ('events_removed', False)), fields=['completed_at'], name='runs_with_events'),
        ),
        migrations.AddIndex(
            model_name='run',
            index=models.Index(condition=models.Q(('status__in', ['created', 'running'])), fields=['status', 'created_at'], name='active_runs'),
        ),
        migrations.AddConstraint(
            model_name='run',
            constraint=models.UniqueConstraint(condition=models.Q(('status__in', ['created', 'running'])), fields=('conversation',), name='one_active_run_per_conversation'),
        ),
        migrations.AddConstraint(
            model_name='run',
            constraint=models.UniqueConstraint(fields=('conversation', 'otid'), name='one_run_per_conversation_and_otid'),
        ),
        migrations.AddConstraint(
            model_name='run',
            constraint=models.UniqueConstraint(condition=models.Q(('status', 'queued')), fields=('conversation', 'queue_position'), name='queue_position_is_unique_per_conversation'),
        ),
        migrations.AddConstraint(
            model_name='run',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('queue_position__isnull', False), ('status', 'queued')), ('status__in', ['created', 'running', 'completed', 'failed', 'cancelled']), _connector='OR'), name='run_status_is_known'),
        ),
        migrations.AddConstraint(
            model_name='idempotencyrecord',
            constraint=models.UniqueConstraint(fields=('organization', 'key'), name='idempotency_key_is_unique_per_organization'),
        ),
        migrations.AddConstraint(
            model_name='idempotencyrecord',
            constraint=models.CheckConstraint(condition=models.Q(('run__isnull', True), ('status__isnull', True), _connector='OR'), name='idempotency_record_has_a_run_or_a_response'),
        ),
        migrations.AddConstraint(
            model_name='blockrevision',
            constraint=models.UniqueConstraint(fields=('block', 'number'), name='revision_number_is_unique_per_block'),
        ),
        migrations.AddConstraint(
            model_name='blockrevision',
            constraint=models.CheckConstraint(condition=models.Q(('number__gt', 0)), name='revision_number_is_positive'),
        ),
        migrations.AddConstraint(
            model_name='runevent',
            constraint=models.UniqueConstraint(fields=('run', 'seq'), name='event_seq_is_unique'),
        ),
        migrations.AddConstraint(
            model_name='step',
            constraint=models.UniqueConstraint(fields=('run', 'number'), name='step_number_is_unique_per_run'),
        ),
        migrations.AddIndex(
            model_name='message',
            index=models.Index(fields=['organization', 'created_at', 'id'], name='messages_by_creation'),
        ),
        migrations.AddIndex(
            model_name='message',
            index=models.Index(fields=['agent', 'created_at', 'id'], name='agent_messages_by_creation'),
        ),
        migrations.AddConstraint(
            model_name='message',
            constraint=models.CheckConstraint(condition=models.Q(('role__in', ['system', 'user', 'assistant', 'tool', 'summary', 'approval'])), name='message_role_is_known'),
        ),
        migrations.AddIndex(
            model_name='tool',
            index=models.Index(fields=['organization', 'created_at', 'id'], name='tools_by_creation'),
        ),
        migrations.AddConstraint(
            model_name='tool',
            constraint=models.UniqueConstraint(fields=('organization', 'name'), name='tool_name_is_unique_per_organization'),
        ),
        migrations.AddConstraint(
            model_name='tool',
            constraint=models.UniqueConstraint(fields=('mcp_server', 'mcp_name'), name='mcp_name_is_unique_per_server'),
        ),
        migrations.AddConstraint(
            model_name='tool',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('mcp_name', None), ('mcp_server', None)), models.Q(('mcp_name__isnull', False), ('mcp_server__isnull', False)), _connector='OR'), name='mcp_tool_has_server_and_name'),
        ),
        migrations.AddConstraint(
            model_name='agenttool',
            constraint=models.UniqueConstraint(fields=('agent', 'tool'), name='tool_attached_once_per_agent'),
        ),
        migrations.AddIndex(
            model_name='agent',
            index=models.Index(fields=['organization', 'created_at', 'id'], name='agents_by_creation'),
        ),
        migrations.AddIndex(
            model_name='agent',
            index=models.Index(fields=['organization', 'updated_at', 'id'], name='agents_by_update'),
        ),
        migrations.AddIndex(
            model_name='agent',
            index=models.Index(models.F('organization'), models.OrderBy(django.db.models.lookups.IsNull(models.F('last_run_completed_at'), True)), models.OrderBy(models.F('last_run_completed_at'), descending=True), models.OrderBy(models.F('id'), descending=True), name='agents_by_last_run'),
        ),
        migrations.AddConstraint(
            model_name='agent',
            constraint=models.CheckConstraint(condition=models.Q(('context_window_limit__gt', 0)), name='agent_context_window_is_positive'),
        ),
        migrations.AddConstraint(
            model_name='agent',
            constraint=models.CheckConstraint(condition=models.Q(('on_busy', None), ('on_busy__in', ['reject', 'queue', 'interrupt']), _connector='OR'), name='agent_on_busy_is_known'),
        ),
        migrations.RunPython(create_search_index, drop_search_index, elidable=False),
        migrations.RunPython(create_audit_trigger, drop_audit_trigger, elidable=False),
        migrations.RunPython(create_passage_indexes, drop_passage_indexes, elidable=False),
    ]
