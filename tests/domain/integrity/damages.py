"""Damage rows without the verbs. Each function returns its breaches: rule and row id."""

from datetime import timedelta

from django.utils import timezone

from conversations.domain.conversations.accounts import issue_key
from conversations.models import AgentBlock, ConversationMessage, IsolatedBlock, Run

from ...factories import make_agent, make_block, make_conversation, make_run


def damage(row, **fields) -> None:
    """Change a row without the verbs."""
    assert type(row).objects.filter(pk=row.pk).update(**fields) == 1


def stale(w) -> tuple[str, str]:
    return "default_prompt_follows_memory", w.default.pk


def mixed(row) -> tuple[str, str]:
    return "organizations_never_mix", row.pk


def version(w):
    damage(w.isolated, version=7)
    return [("version_is_newest_revision_number", w.isolated.pk)]


def history_lost(w):
    w.isolated.revisions.all().delete()
    return [("version_is_newest_revision_number", w.isolated.pk)]


def gap(w):
    damage(w.isolated, version=3)
    damage(w.isolated.revisions.get(), number=3)
    return [("revision_numbers_have_no_gaps", w.isolated.pk)]


def value(w):
    damage(w.isolated, value="written without a verb")
    return [
        ("value_matches_newest_revision", w.isolated.pk),
        ("fresh_prompt_contains_memory", w.conversation.pk),
    ]


def description_added(w):
    damage(w.isolated, description="")
    return [("description_matches_newest_revision", w.isolated.pk)]


def description_lost(w):
    damage(w.isolated.revisions.get(), description="who they are")
    return description_added(w)


def limit(w):
    damage(w.isolated, limit=50)
    return [("limit_matches_newest_revision", w.isolated.pk)]


def of_another_conversation(w):
    damage(w.isolated, conversation=make_conversation(w.agent))
    return [("isolated_block_belongs_to_its_conversation", w.conversation.pk)]


def of_no_conversation(w):
    damage(w.isolated, conversation=None)
    return [("isolated_block_belongs_to_its_conversation", w.conversation.pk)]


def isolated_label(w):
    damage(w.isolated, label="animal")
    return [("isolated_block_has_its_label", w.conversation.pk)]


def isolated_deleted(w):
    damage(w.isolated, deleted_at=timezone.now())
    return [("isolated_block_is_not_deleted", w.conversation.pk)]


def damage_attached(w, **fields) -> None:
    """Attach another block as `human` and record its period."""
    damage(AgentBlock.objects.get(agent=w.agent, label="human"), **fields)
    damage(w.agent.reading_periods.get(label="human"), **fields)


def isolated_attached(w):
    damage_attached(w, block=w.isolated)
    return [("attached_block_belongs_to_no_conversation", w.agent.pk), stale(w)]


def attached_label(w):
    damage_attached(w, label="animal")
    return [("attached_block_has_its_label", w.agent.pk), stale(w)]


def attached_deleted(w):
    damage(w.shared, deleted_at=timezone.now())
    return [("attached_block_is_not_deleted", w.agent.pk)]


def attachment_unrecorded(w):
    w.agent.reading_periods.filter(label="human").delete()
    return [("agent_has_open_period_for_each_block", w.agent.pk)]


def isolation_unrecorded(w):
    w.conversation.reading_periods.update(until=timezone.now())
    return [("conversation_has_open_period_for_each_block", w.conversation.pk)]


def released_without_the_verb(w):
    w.conversation.isolations.all().delete()
    return [("open_period_has_a_reader", w.isolated.pk)]


def no_default(w):
    damage(w.default, is_default=False)
    return [("agent_has_a_default_conversation", w.agent.pk)]


def default_deleted(w):
    damage(w.default, deleted_at=timezone.now())
    return [("default_conversation_is_not_deleted", w.default.pk)]


def position(w):
    damage(w.conversation.message_links.get(position=2), position=5)
    return [("positions_have_no_gaps", w.conversation.pk)]


def no_system_message(w):
    damage(w.conversation.messages.get(role="system"), role="user")
    return [("position_0_is_the_system_message", w.conversation.pk)]


def another_agents_message(w):
    damage(w.message, agent=w.other_agent)
    return [("message_has_its_conversations_agent", w.message.pk)]


def message_without_conversation(w):
    ConversationMessage.objects.filter(message=w.message).delete()
    return [("message_is_in_a_conversation", w.message.pk)]


def another_agents_run(w):
    run = make_run(w.conversation)
    damage(run, agent=w.other_agent)
    return [("run_has_its_conversations_agent", run.pk)]


def dead_worker(w):
    heartbeat = timezone.now() - timedelta(minutes=61)
    run = make_run(w.conversation, status=Run.Status.RUNNING, heartbeat_at=heartbeat)
    return [("active_run_has_a_live_worker", run.pk)]


def uncompiled(w):
    damage(w.conversation, compiled_from={})
    return [("prompt_is_compiled", w.conversation.pk)]


def stale_default(w):
    damage(w.agent, system="Be brief.")
    return [stale(w)]


def empty_prompt(w):
    damage(w.conversation.messages.get(role="system"), content=[])
    # The system prompt and two values are missing.
    return [("fresh_prompt_contains_memory", w.conversation.pk)] * 3


def strangers_block_attached(w):
    theirs = make_block(w.mallory, label="human", value="about human")
    damage_attached(w, block=theirs)
    return [stale(w), mixed(w.agent), mixed(theirs)]


def strangers_source(w):
    damage(IsolatedBlock.objects.get(), source_block=make_block(w.mallory, label="human"))
    return [mixed(w.conversation)]


def strangers_conversation(w):
    theirs = make_conversation(make_agent(w.mallory))
    damage(theirs, forked_from=w.conversation)
    return [mixed(theirs)]


def moved_message(w):
    damage(w.message, organization=w.mallory.organization, created_by=None, last_updated_by=None)
    return [mixed(w.conversation), mixed(w.message)]


def strangers_key(w):
    key, _ = issue_key(w.alice)
    damage(key, member=w.mallory)
    return [mixed(key)]


def changed_by_a_stranger(w):
    damage(w.shared, last_updated_by=w.mallory)
    return [mixed(w.shared)]


def written_by_a_stranger(w):
    damage(w.isolated.revisions.get(), written_by=w.mallory)
    return [mixed(w.isolated)]


DAMAGES = [
    version,
    history_lost,
    gap,
    value,
    description_added,
    description_lost,
    limit,
    of_another_conversation,
    of_no_conversation,
    isolated_label,
    isolated_deleted,
    isolated_attached,
    attached_label,
    attached_deleted,
    attachment_unrecorded,
    isolation_unrecorded,
    released_without_the_verb,
    no_default,
    default_deleted,
    position,
    no_system_message,
    another_agents_message,
    message_without_conversation,
    another_agents_run,
    dead_worker,
    uncompiled,
    stale_default,
    empty_prompt,
    strangers_block_attached,
    strangers_source,
    strangers_conversation,
    moved_message,
    strangers_key,
    changed_by_a_stranger,
    written_by_a_stranger,
]
