"""Create, update, fork, clear, delete and restore conversations."""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, TypedDict, Unpack

from django.core.serializers.json import DjangoJSONEncoder
from django.db import transaction
from django.utils import timezone

from ...models import Agent, AuditAction, Conversation, ConversationMessage, Message, Run
from ...signals import conversation_created, send_on_commit
from ..actor import Actor
from ..audit import record
from ..diffs import unified
from ..errors import Conflict, InvalidValue, MessageNotInConversation, StaleVersion, UnknownId
from ..folders.directories import directories_of
from ..memory.effective import effective_blocks
from ..memory.forks import ForkChoice, fork_isolations
from ..memory.isolation import blocks_to_isolate, isolate_blocks
from ..memory.prompt import compile_prompt, fingerprint
from ..memory.writes import memory_write
from ..model_handles import check_model_handle
from ..quotas import check_conversations
from ..runs.finish import request_cancel_of_all
from ..runs.leases import Busy
from .messages import insert_messages, text_message


class ConversationFields(TypedDict, total=False):
    """What a caller may set on a conversation."""

    summary: str | None
    description: str | None
    model: str | None
    model_settings: dict[str, Any] | None
    context_window_limit: int | None
    hidden: bool
    last_message_at: datetime | None
    archived_at: datetime | None


@memory_write
def create_conversation(
    agent: Agent,
    *,
    by: Actor,
    isolated_labels: Iterable[str] = (),
    is_default: bool = False,
    **fields: Unpack[ConversationFields],
) -> Conversation:
    """Create a conversation with its isolated blocks and its system message.

    It isolates `isolated_labels` and those of the agent's policy, which does not apply to the
    default conversation.
    """
    _check(fields)
    check_conversations(agent.organization_id, by=by)
    shared = blocks_to_isolate(agent, isolated_labels, with_policy=not is_default)
    conversation = Conversation.objects.create(
        organization_id=agent.organization_id,
        agent=agent,
        is_default=is_default,
        created_by=by.member,
        last_updated_by=by.member,
        **fields,
    )
    if shared:
        isolate_blocks(conversation, shared, by=by, at=conversation.created_at)
    _insert_first_messages(conversation, [], by=by)
    send_on_commit(conversation_created, Conversation, conversation=conversation)
    return conversation


@transaction.atomic
def update_conversation(
    conversation: Conversation,
    *,
    by: Actor,
    expected_version: int | None = None,
    **changes: Unpack[ConversationFields],
) -> Conversation:
    """Change fields of a conversation and return the fresh row; None clears a field.

    A write that changes nothing succeeds at any version. Raises StaleVersion.
    """
    _check(changes)
    conversation = _lock(conversation)
    if any(getattr(conversation, name) != value for name, value in changes.items()):
        _check_version(conversation, expected_version, changes)
        conversation.version += 1
    for name, value in changes.items():
        setattr(conversation, name, value)
    conversation.last_updated_by = by.member
    conversation.save(update_fields=[*changes, "version", "last_updated_by", "updated_at"])
    return conversation


@memory_write
def fork_conversation(
    conversation: Conversation,
    *,
    by: Actor,
    at: Message | None = None,
    hidden: bool = False,
    choices: Mapping[str, ForkChoice] | None = None,
) -> Conversation:
    """Create a conversation that continues another one from its end, or from the message `at`.

    It copies the isolated blocks with their bases, unless `choices` has another choice for a
    label, shares the messages in context up to that point, keeps the model and has no summary.
    """
    # The lock keeps the original from being deleted meanwhile. Its isolated blocks are read in one
    # query and need no lock.
    original = _lock(conversation)
    check_conversations(original.organization_id, by=by)
    shared = _messages_until(original, at)
    last = shared[-1].message if shared else None
    fork = Conversation.objects.create(
        organization_id=original.organization_id,
        agent=original.agent,
        model=original.model,
        model_settings=original.model_settings,
        context_window_limit=original.context_window_limit,
        hidden=hidden,
        forked_from=original,
        forked_at_message=at or last,
        created_by=by.member,
        last_updated_by=by.member,
    )
    fork_isolations(original, fork, choices or {}, by=by)
    _insert_first_messages(fork, [link.message for link in shared], by=by)
    send_on_commit(conversation_created, Conversation, conversation=fork)
    return fork


@memory_write
def clear_conversation(conversation: Conversation, *, by: Actor) -> Conversation:
    """Move the messages and runs of a conversation to a new, deleted one, and return that.

    `restore_conversation` restores it, with copies of the isolated blocks, until `purge` removes
    it. Raises Busy during a turn.
    """
    if unfinished := conversation.runs.unfinished().first():
        raise Busy(unfinished.pk)
    runs = list(conversation.runs.select_for_update(no_key=True).order_by("pk"))
    conversation = _lock(conversation)
    if unfinished := conversation.runs.unfinished().first():
        raise Busy(unfinished.pk)
    past = Conversation.objects.create(
        organization_id=conversation.organization_id,
        agent=conversation.agent,
        forked_from=conversation,
        last_message_at=conversation.last_message_at,
        deleted_at=timezone.now(),
        created_by=by.member,
        last_updated_by=by.member,
    )
    fork_isolations(conversation, past, {}, by=by)
    _insert_first_messages(past, [], by=by)
    conversation.message_links.filter(position__gt=0).update(conversation=past)
    Run.objects.filter(pk__in=[run.pk for run in runs]).update(conversation=past)
    conversation.last_message_at = None
    conversation.last_updated_by = by.member
    conversation.save(update_fields=["last_message_at", "last_updated_by", "updated_at"])
    return past


@transaction.atomic
def delete_conversation(
    conversation: Conversation, *, by: Actor, expected_version: int | None = None
) -> None:
    """Hide a conversation and its isolated blocks until `purge` removes them."""
    request_cancel_of_all(Run.objects.filter(conversation=conversation))
    conversation = _lock(conversation)
    _check_version(conversation, expected_version, {})
    if conversation.is_default:
        raise Conflict(
            f"Conversation '{conversation.pk}' is the default one of agent "
            f"'{conversation.agent_id}' and lives as long as the agent"
        )
    conversation.deleted_at = timezone.now()
    conversation.last_updated_by = by.member
    conversation.save(update_fields=["deleted_at", "last_updated_by", "updated_at"])
    organization = conversation.organization_id
    record(AuditAction.DELETED, by=by, organization=organization, about=conversation)


@transaction.atomic
def restore_conversation(conversation: Conversation, *, by: Actor) -> Conversation:
    """Restore a deleted conversation with its isolated blocks and messages."""
    conversation = _lock(conversation, deleted=True)
    if conversation.agent.deleted_at:
        raise Conflict(
            f"Agent '{conversation.agent_id}' of this conversation is deleted; restore it first"
        )
    if conversation.deleted_at:
        check_conversations(conversation.organization_id, by=by)
    conversation.deleted_at = None
    conversation.last_updated_by = by.member
    conversation.save(update_fields=["deleted_at", "last_updated_by", "updated_at"])
    organization = conversation.organization_id
    record(AuditAction.RESTORED, by=by, organization=organization, about=conversation)
    return conversation


def _insert_first_messages(conversation: Conversation, shared: list[Message], *, by: Actor) -> None:
    """Store the system message of a new conversation at position 0, then the `shared` messages.

    Other transactions can't see the conversation yet, so nothing is locked.
    """
    now = timezone.now()
    blocks = effective_blocks(conversation)
    prompt = compile_prompt(
        conversation,
        blocks,
        compiled_at=now,
        message_count=len(shared),
        directories=directories_of([conversation.agent])[conversation.agent_id],
    )
    system = text_message(Message.Role.SYSTEM, prompt.text)
    insert_messages(conversation, [system], by=by)
    ConversationMessage.objects.bulk_create(
        ConversationMessage(conversation=conversation, message=message, position=position)
        for position, message in enumerate([system, *shared])
    )
    conversation.compiled_from = fingerprint(conversation.agent, blocks)
    conversation.compiled_at = now
    conversation.save(update_fields=["compiled_from", "compiled_at"])


def _check(fields: ConversationFields) -> None:
    if (model := fields.get("model")) is not None:
        check_model_handle(model)
    limit = fields.get("context_window_limit")
    if limit is not None and limit < 1:
        raise InvalidValue("context_window_limit", f"expected at least 1 token, got {limit}")


def _check_version(
    conversation: Conversation, expected: int | None, changes: ConversationFields
) -> None:
    """Raise StaleVersion unless the locked conversation is at this version."""
    if expected is None or expected == conversation.version:
        return
    fields = {name: getattr(conversation, name) for name in ConversationFields.__annotations__}
    present, requested = (
        json.dumps(values, indent=1, cls=DjangoJSONEncoder, ensure_ascii=False)
        for values in (fields, {**fields, **changes})
    )
    raise StaleVersion(
        f"Conversation '{conversation.pk}'",
        expected=expected,
        version=conversation.version,
        value=fields,
        diff=unified(present, requested, f"version {conversation.version}", "this write"),
    )


def _lock(conversation: Conversation, *, deleted: bool = False) -> Conversation:
    """Lock and return the fresh row. Raises NotFound for a deleted one unless `deleted`."""
    rows = Conversation.objects.select_for_update(no_key=True, of=("self",)).select_related("agent")
    if not deleted:
        rows = rows.filter(deleted_at=None)
    try:
        return rows.get(pk=conversation.pk)
    except Conversation.DoesNotExist:
        raise UnknownId(Conversation, conversation.pk) from None


def _messages_until(original: Conversation, at: Message | None) -> list[ConversationMessage]:
    """Return the links of the messages that a fork shares, oldest first."""
    links = original.message_links.filter(position__gt=0).select_related("message")
    if at is None:
        return list(links.in_context())
    end = original.message_links.filter(message=at).first()
    if end is None:
        raise MessageNotInConversation(original.pk, at.pk)
    links = links.filter(position__lte=end.position)
    if end.in_context:
        return list(links.in_context())
    # The message has been compacted since. Its context then began at the last summary before it.
    summaries = links.filter(message__role=Message.Role.SUMMARY).order_by("-position")
    if summary := summaries.first():
        links = links.filter(position__gte=summary.position)
    return list(links.order_by("position"))
