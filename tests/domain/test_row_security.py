"""Row-level security: what a statement sees and may write, and for whom it acts."""

from contextlib import suppress

import pytest
from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.db import ProgrammingError, connection, models, transaction
from django.test.utils import isolate_apps

from conversations.domain import row_security as security
from conversations.domain.conversations.search import search_messages
from conversations.domain.errors import InvalidArgument
from conversations.models import (
    Agent,
    AgentBlock,
    ApiKey,
    Block,
    BlockRevision,
    Conversation,
    Member,
    Message,
    Organization,
)
from conversations.tenancy import (
    acting_for,
    acting_for_all,
    acting_for_none,
    finding_key,
    finding_member,
)

from ..factories import link_user, make_agent, make_conversation, make_member, make_messages

pytestmark = pytest.mark.postgres_only

TENANT_MODELS = [Organization, Member, Agent, Block, BlockRevision, AgentBlock, Conversation]


@pytest.fixture
def owner(db):
    """Skip the test if the suite is run as the server's role."""
    if security.status().is_enforced:
        pytest.skip("needs the owner of the tables")


@pytest.fixture
def agents(row_security) -> tuple[Agent, Agent]:
    """Return the agents of two organizations, each with a block and two conversations."""
    both = make_agent(labels=["human"]), make_agent(labels=["human"])
    for agent in both:
        make_conversation(agent, isolated=["human"])
    return both


def counts() -> dict[str, int]:
    return {model.__name__: model.objects.count() for model in security.owned_models()}


def test_every_model_has_a_policy(db):
    tables = {model._meta.db_table for model in apps.get_app_config("conversations").get_models()}

    protected = {policy.table for policy in security.policies()}

    assert protected == tables


@isolate_apps("conversations")
def test_model_without_owner_is_named():
    class Orphan(models.Model):  # noqa: DJ008 (never shown)
        class Meta:
            app_label = "conversations"

    with pytest.raises(ImproperlyConfigured, match="Orphan"):
        security._owner_condition(Orphan)


@isolate_apps("conversations")
def test_owner_must_be_required():
    class LooseQuerySet(models.QuerySet):
        organization_path = "agent__organization"

    class Loose(models.Model):  # noqa: DJ008 (never shown)
        agent = models.ForeignKey(Agent, models.CASCADE, null=True)
        objects = LooseQuerySet.as_manager()

        class Meta:
            app_label = "conversations"

    with pytest.raises(ImproperlyConfigured, match="Loose"):
        security._owner_condition(Loose)


@pytest.mark.parametrize("model", TENANT_MODELS, ids=lambda model: model.__name__)
def test_only_rows_of_the_organization_are_visible(agents, model):
    ours, theirs = agents

    with acting_for(ours.organization_id):
        found = set(model.objects.values_list("pk", flat=True))
    with acting_for(theirs.organization_id):
        others = set(model.objects.values_list("pk", flat=True))

    assert found
    assert others
    assert not found & others
    assert set(model.objects.values_list("pk", flat=True)) == found | others


def test_nothing_is_visible_without_organization(agents):
    with acting_for_none():
        assert set(counts().values()) == {0}
    assert counts()["Agent"] == 2


def test_foreign_rows_cannot_be_changed_or_deleted(agents):
    ours, theirs = agents

    with acting_for(ours.organization_id):
        changed = Agent.objects.filter(pk=theirs.pk).update(name="taken")
        deleted, _ = AgentBlock.objects.filter(agent=theirs.pk).delete()

    assert (changed, deleted) == (0, 0)
    assert not Agent.objects.filter(name="taken").exists()


def test_rows_cannot_be_written_to_another_organization(agents):
    ours, theirs = agents
    block = theirs.blocks.get()
    writes = [
        lambda: Agent.objects.create(organization_id=theirs.organization_id, name="x", model="a/b"),
        lambda: Agent.objects.filter(pk=ours.pk).update(organization_id=theirs.organization_id),
        lambda: AgentBlock.objects.create(agent_id=theirs.pk, block=block, label="x", position=9),
        lambda: Block.objects.bulk_create([Block(organization_id=theirs.organization_id)]),
    ]

    for write in writes:
        with (
            acting_for(ours.organization_id),
            pytest.raises(ProgrammingError, match="row-level security"),
            transaction.atomic(),
        ):
            write()


def test_key_and_operator_are_found_in_their_organization(row_security, client_for):
    alice, bob = link_user(make_member()), link_user(make_member())
    client_for(alice)
    client_for(bob)
    key = ApiKey.objects.get(member=alice)

    with finding_key(key.prefix):
        found = ApiKey.objects.select_related("member__user", "organization").get()
        assert found.member == alice
    with finding_member(alice.user_id):
        assert Member.objects.select_related("organization").get() == alice
    with finding_key("ic-000000000000"):
        assert set(counts().values()) == {0}
    with finding_member(0):
        assert set(counts().values()) == {0}


def test_organization_can_change_in_a_transaction(agents):
    ours, theirs = agents

    with transaction.atomic():
        with acting_for(ours.organization_id):
            assert Agent.objects.get() == ours
        with acting_for(theirs.organization_id):
            assert Agent.objects.get() == theirs
        with acting_for_none():
            assert not Agent.objects.exists()


def test_organization_is_kept_over_rollbacks_to_savepoints(agents):
    ours, theirs = agents

    with acting_for(ours.organization_id):
        with suppress(ZeroDivisionError), transaction.atomic(), acting_for_all():
            assert Agent.objects.count() == 2
            _ = 1 / 0
        assert Agent.objects.get() == ours
        with pytest.raises(ProgrammingError), transaction.atomic():
            Agent.objects.create(organization_id=theirs.organization_id, model="a/b")
        assert Agent.objects.get() == ours


def test_organization_is_set_once_per_transaction(agents, tmp_path):
    ours, _ = agents
    protocol = connection.connection.pgconn

    with acting_for(ours.organization_id), (tmp_path / "trace").open("w") as trace:
        protocol.trace(trace.fileno())
        for _ in range(3):
            Agent.objects.get()
        protocol.untrace()

    told = (tmp_path / "trace").read_text()
    assert told.count("\tCommandComplete\t") == 3 + 1


def test_server_side_cursors_see_rows_of_the_organization(agents):
    ours, _ = agents

    with acting_for(ours.organization_id):
        assert list(Agent.objects.iterator(chunk_size=1)) == [ours]


def test_search_finds_messages_of_the_organization(agents):
    ours, theirs = agents
    for agent in agents:
        make_messages(agent.conversations.get(is_default=True), "a blue parrot", "a red fox")

    with acting_for(ours.organization_id):
        [found] = search_messages(Message.objects.all(), "parrot blue")

    assert found.agent == ours
    assert search_messages(Message.objects.all(), "parrot").count() == 2
    with acting_for_none(), connection.cursor() as cursor:
        cursor.execute("SELECT conversations_find_messages('parrot')")
        assert cursor.fetchall() == []
    assert theirs.messages.count() == ours.messages.count()


def test_enable_can_be_repeated_and_disabled(owner):
    with transaction.atomic():
        password = security.enable("repeated")
        assert password
        assert security.enable("repeated") is None
        assert security.status().is_complete
        assert security.update_policies() == []
        security.disable()
        assert not security.status().is_enabled
        transaction.set_rollback(True)


def test_outdated_and_missing_policies_are_created_again(owner):
    with transaction.atomic():
        security.enable("tester")
        with connection.cursor() as cursor:
            cursor.execute("DROP POLICY organization ON conversations_run")
            cursor.execute("ALTER TABLE conversations_step DISABLE ROW LEVEL SECURITY")
            cursor.execute("COMMENT ON POLICY organization ON conversations_agent IS 'older'")
        tables = {"conversations_run", "conversations_step", "conversations_agent"}
        states = security.status().tables
        assert {table for table in states if states[table].value != "current"} == tables

        assert set(security.update_policies()) == tables

        assert security.status().is_complete
        transaction.set_rollback(True)


def test_migrate_protects_new_tables(owner):
    config = apps.get_app_config("conversations")
    with transaction.atomic():
        models.signals.post_migrate.send(config, app_config=config, using="default")
        assert not security.status().is_enabled
        security.enable("tester")
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE conversations_run DISABLE ROW LEVEL SECURITY")

        models.signals.post_migrate.send(config, app_config=config, using="default")

        assert security.status().is_complete
        transaction.set_rollback(True)


def test_role_that_is_exempt_is_refused(owner):
    with connection.cursor() as cursor:
        cursor.execute("SELECT session_user")
        [role] = cursor.fetchone()

    with pytest.raises(InvalidArgument, match=role), transaction.atomic():
        security.enable(role)


def test_owner_is_exempt(owner):
    with transaction.atomic():
        security.enable("tester")
        make_agent()

        with acting_for_none():
            assert Agent.objects.exists()

        transaction.set_rollback(True)
