"""What no verb does, each with the lines that `check_memory` must print about it."""

from datetime import timedelta

from django.utils import timezone

from conversations.domain.conversations.accounts import issue_key
from conversations.models import AgentBlock, ConversationMessage, IsolatedBlock, Run

from ...factories import make_agent, make_block, make_conversation, make_run


def damage(row, **fields) -> None:
    """Change a row behind the rules' back."""
    assert type(row).objects.filter(pk=row.pk).update(**fields) == 1


def stale_line(w) -> str:
    return (
        f"default_prompt_follows_memory: {w.default.pk}: "
        f"is stale, the default conversation of {w.agent.pk}"
    )


def mixed_line(w, row, field: str, target, *, row_is_ours: bool = True) -> str:
    ours, theirs = w.alice.organization_id, w.mallory.organization_id
    of, other = (ours, theirs) if row_is_ours else (theirs, ours)
    return f"organizations_never_mix: {row.pk}: {field} {target.pk} is of {other}, this one of {of}"


def version(w):
    damage(w.isolated, version=7)
    return [
        f"version_is_the_newest_revisions_number: {w.isolated.pk}: "
        "is at version 7; its newest revision is 1"
    ]


def history_lost(w):
    w.isolated.revisions.all().delete()
    return [
        f"version_is_the_newest_revisions_number: {w.isolated.pk}: "
        "is at version 1; its newest revision is None"
    ]


def gap(w):
    damage(w.isolated, version=3)
    damage(w.isolated.revisions.get(), number=3)
    return [
        f"revision_numbers_have_no_gaps: {w.isolated.pk}: has 1 revisions; the newest is number 3"
    ]


def value(w):
    damage(w.isolated, value="written past the verb")
    return [
        f"value_is_the_newest_revisions: {w.isolated.pk}: "
        "has another value than its newest revision 1",
        f"prompt_says_what_memory_says: {w.conversation.pk}: "
        f"its system message lacks the value of 'human', isolated block {w.isolated.pk}",
    ]


def description_added(w):
    damage(w.isolated, description="")
    return [
        f"description_is_the_newest_revisions: {w.isolated.pk}: "
        "has another description than its newest revision 1"
    ]


def description_lost(w):
    damage(w.isolated.revisions.get(), description="who they are")
    return description_added(w)


def limit(w):
    damage(w.isolated, limit=50)
    return [
        f"limit_is_the_newest_revisions: {w.isolated.pk}: "
        "has another limit than its newest revision 1"
    ]


def of_another_conversation(w):
    other = make_conversation(w.agent)
    damage(w.isolated, conversation=other)
    return [
        f"isolated_block_belongs_to_its_conversation: {w.conversation.pk}: "
        f"isolates 'human' with block {w.isolated.pk}, which belongs to {other.pk}"
    ]


def of_no_conversation(w):
    damage(w.isolated, conversation=None)
    return [
        f"isolated_block_belongs_to_its_conversation: {w.conversation.pk}: "
        f"isolates 'human' with block {w.isolated.pk}, which belongs to None"
    ]


def isolated_label(w):
    damage(w.isolated, label="animal")
    return [
        f"isolated_block_has_its_label: {w.conversation.pk}: "
        f"isolates 'human' with block {w.isolated.pk}, whose label is 'animal'"
    ]


def isolated_deleted(w):
    damage(w.isolated, deleted_at=timezone.now())
    return [
        f"isolated_block_is_not_deleted: {w.conversation.pk}: "
        f"isolates 'human' with block {w.isolated.pk}, which is deleted"
    ]


def damage_attached(w, **fields) -> None:
    """Change what the agent reads as `human`, and in the records of it too."""
    damage(AgentBlock.objects.get(agent=w.agent, label="human"), **fields)
    damage(w.agent.reading_periods.get(label="human"), **fields)


def isolated_attached(w):
    damage_attached(w, block=w.isolated)
    return [
        f"attached_block_belongs_to_no_conversation: {w.agent.pk}: "
        f"reads block {w.isolated.pk}, which belongs to {w.conversation.pk}",
        stale_line(w),
    ]


def attached_label(w):
    damage_attached(w, label="animal")
    return [
        f"attached_block_has_its_label: {w.agent.pk}: "
        f"reads block {w.shared.pk} as 'animal'; its label is 'human'",
        stale_line(w),
    ]


def attached_deleted(w):
    damage(w.shared, deleted_at=timezone.now())
    return [
        f"attached_block_is_not_deleted: {w.agent.pk}: reads block {w.shared.pk}, which is deleted"
    ]


def attachment_unrecorded(w):
    w.agent.reading_periods.filter(label="human").delete()
    return [
        f"agent_records_what_it_reads: {w.agent.pk}: "
        f"reads block {w.shared.pk} as 'human', which no open period records"
    ]


def isolation_unrecorded(w):
    w.conversation.reading_periods.update(until=timezone.now())
    return [
        f"conversation_records_what_it_reads: {w.conversation.pk}: "
        f"reads block {w.isolated.pk} as 'human', which no open period records"
    ]


def released_past_the_verb(w):
    w.conversation.isolations.all().delete()
    since = w.conversation.created_at
    return [
        f"open_period_is_of_what_is_read: {w.isolated.pk}: is read as 'human' "
        f"since {since:%Y-%m-%d %H:%M %Z}, says a period; nothing reads it"
    ]


def no_default(w):
    damage(w.default, is_default=False)
    return [f"agent_has_a_default_conversation: {w.agent.pk}: has no default conversation"]


def default_deleted(w):
    damage(w.default, deleted_at=timezone.now())
    return [
        f"default_conversation_is_not_deleted: {w.default.pk}: "
        f"is the default conversation of {w.agent.pk} and is deleted"
    ]


def position(w):
    damage(w.conversation.message_links.get(position=2), position=5)
    return [
        f"positions_have_no_gaps: {w.conversation.pk}: holds 3 messages; the last is at position 5"
    ]


def no_system_message(w):
    damage(w.conversation.messages.get(role="system"), role="user")
    return [
        f"position_0_is_the_system_message: {w.conversation.pk}: "
        "has no system message at position 0"
    ]


def another_agents_message(w):
    damage(w.message, agent=w.other_agent)
    return [
        f"message_is_of_its_conversations_agent: {w.message.pk}: "
        f"is a message of {w.other_agent.pk}, but {w.conversation.pk} holds it"
    ]


def unheld_message(w):
    ConversationMessage.objects.filter(message=w.message).delete()
    return [
        f"message_is_held_by_a_conversation: {w.message.pk}: "
        "is in no conversation; purge removes it"
    ]


def another_agents_run(w):
    run = make_run(w.conversation)
    damage(run, agent=w.other_agent)
    return [
        f"run_is_of_its_conversations_agent: {run.pk}: is a run of {w.other_agent.pk}, "
        f"but its conversation {w.conversation.pk} is not"
    ]


def dead_worker(w):
    silent_since = timezone.now() - timedelta(minutes=61)
    run = make_run(w.conversation, status=Run.Status.RUNNING, heartbeat_at=silent_since)
    return [
        f"active_run_has_a_live_worker: {run.pk}: is running, but its worker was last heard of "
        f"at {silent_since:%Y-%m-%d %H:%M} UTC"
    ]


def uncompiled(w):
    damage(w.conversation, compiled_from={})
    return [
        f"prompt_is_compiled: {w.conversation.pk}: "
        "does not say what its system message was compiled from"
    ]


def stale_default(w):
    damage(w.agent, system="Be brief.")
    return [stale_line(w)]


def empty_prompt(w):
    damage(w.conversation.messages.get(role="system"), content=[])
    persona = w.agent.blocks.get(label="persona")
    rule = f"prompt_says_what_memory_says: {w.conversation.pk}: its system message lacks"
    return [
        f"{rule} the agent's system prompt",
        f"{rule} the value of 'human', isolated block {w.isolated.pk}",
        f"{rule} the value of 'persona', shared block {persona.pk}",
    ]


def strangers_block_attached(w):
    theirs = make_block(w.mallory, label="human", value="about human")
    damage_attached(w, block=theirs)
    return [
        stale_line(w),
        mixed_line(w, w.agent, "block", theirs),
        mixed_line(w, theirs, "agent", w.agent, row_is_ours=False),
    ]


def strangers_source(w):
    theirs = make_block(w.mallory, label="human")
    damage(IsolatedBlock.objects.get(), source_block=theirs)
    return [mixed_line(w, w.conversation, "source_block", theirs)]


def strangers_conversation(w):
    theirs = make_conversation(make_agent(w.mallory))
    damage(theirs, forked_from=w.conversation)
    return [mixed_line(w, theirs, "forked_from", w.conversation, row_is_ours=False)]


def moved_message(w):
    damage(w.message, organization=w.mallory.organization, created_by=None, last_updated_by=None)
    return [
        mixed_line(w, w.conversation, "message", w.message),
        mixed_line(w, w.message, "agent", w.agent, row_is_ours=False),
    ]


def strangers_key(w):
    key, _ = issue_key(w.alice)
    damage(key, member=w.mallory)
    return [mixed_line(w, key, "member", w.mallory)]


def changed_by_a_stranger(w):
    damage(w.shared, last_updated_by=w.mallory)
    return [mixed_line(w, w.shared, "last_updated_by", w.mallory)]


def written_by_a_stranger(w):
    damage(w.isolated.revisions.get(), written_by=w.mallory)
    return [mixed_line(w, w.isolated, "written_by", w.mallory)]


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
    released_past_the_verb,
    no_default,
    default_deleted,
    position,
    no_system_message,
    another_agents_message,
    unheld_message,
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
