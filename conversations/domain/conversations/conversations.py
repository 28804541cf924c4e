"""The life of a conversation: create, update, fork, delete, restore."""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TypedDict, Unpack

from django.core.serializers.json import DjangoJSONEncoder
from django.db import transaction
from django.utils import timezone

from ...models import Agent, Conversation, ConversationMessage, Message, Run
from ..actor import Actor
from ..diffs import unified
from ..errors import Conflict, InvalidValue, NotFound, StaleVersion
from ..memory.effective import effective_blocks
from ..memory.forks import ForkChoice, fork_isolations
from ..memory.isolation import blocks_to_isolate, isolate_blocks
from ..memory.prompt import compile_prompt, fingerprint
from ..model_handles import check_model_handle
from ..runs.finish import abandon_runs
from ..runs.leases import Busy
from .messages import insert_messages, text_message


class ConversationFields(TypedDict, total=False):
    """What a caller may set on a conversation."""

    summary: str | None
    description: str | None
    model: str | None
    model_settings: dict | None
    context_window_limit: int | None
    hidden: bool
    last_message_at: datetime | None
    archived_at: datetime | None


@transaction.atomic
def create_conversation(
    agent: Agent,
    *,
    by: Actor,
    isolated_labels: Iterable[str] = (),
    is_default: bool = False,
    **fields: Unpack[ConversationFields],
) -> Conversation:
    """Start a conversation, with its own copy of each block that `isolated_labels` or the
    agent's policy names, and its system message. All of it, or nothing."""
    _check(fields)
    # An agent's own thread is what the others differ from: the policy is not for it.
    sources = blocks_to_isolate(agent, isolated_labels, with_policy=not is_default)
    conversation = Conversation.objects.create(
        organization_id=agent.organization_id,
        agent=agent,
        is_default=is_default,
        created_by=by.user,
        last_updated_by=by.user,
        **fields,
    )
    if sources:
        isolate_blocks(conversation, sources, by=by, at=conversation.created_at)
    _begin_thread(conversation, [], by=by)
    return conversation


@transaction.atomic
def update_conversation(
    conversation: Conversation,
    *,
    by: Actor,
    expected_version: int | None = None,
    **changes: Unpack[ConversationFields],
) -> Conversation:
    """Change fields of a conversation; None clears one. Answers the fresh row.

    A write that changes nothing is accepted, whatever version it was based on.
    """
    _check(changes)
    conversation = _lock(conversation)
    if any(getattr(conversation, name) != value for name, value in changes.items()):
        _check_version(conversation, expected_version, changes)
        conversation.version += 1
    for name, value in changes.items():
        setattr(conversation, name, value)
    conversation.last_updated_by = by.user
    conversation.save(update_fields=[*changes, "version", "last_updated_by", "updated_at"])
    return conversation


@transaction.atomic
def fork_conversation(
    conversation: Conversation,
    *,
    by: Actor,
    at: Message | None = None,
    hidden: bool = False,
    choices: Mapping[str, ForkChoice] | None = None,
) -> Conversation:
    """Start a conversation that goes on from another one, at its end or right after `at`.

    It has copies of the isolated blocks (their texts, bases and sources) unless `choices` says
    otherwise of a label, shares the messages in context up to that point, keeps the model and has
    no summary.
    """
    # A fork and a deletion of its source take turns. What the source has isolated is read in one
    # query, so it need not be held.
    source = _lock(conversation)
    shared = _messages_until(source, at)
    last = shared[-1].message if shared else None
    fork = Conversation.objects.create(
        organization_id=source.organization_id,
        agent=source.agent,
        model=source.model,
        model_settings=source.model_settings,
        context_window_limit=source.context_window_limit,
        hidden=hidden,
        forked_from=source,
        forked_at_message=at or last,
        created_by=by.user,
        last_updated_by=by.user,
    )
    fork_isolations(source, fork, choices or {}, by=by)
    _begin_thread(fork, [link.message for link in shared], by=by)
    return fork


@transaction.atomic
def clear_conversation(conversation: Conversation, *, by: Actor) -> Conversation:
    """Begin a thread anew. What was said in it moves to a deleted conversation, which is answered:
    `restore_conversation` brings that back, with what it read, until `purge` removes it.

    Raises Busy during a turn.
    """
    runs = list(conversation.runs.select_for_update(no_key=True).order_by("pk"))
    if active := [run.pk for run in runs if run.status in Run.ACTIVE]:
        raise Busy(active[0])
    conversation = _lock(conversation)
    past = Conversation.objects.create(
        organization_id=conversation.organization_id,
        agent=conversation.agent,
        forked_from=conversation,
        last_message_at=conversation.last_message_at,
        deleted_at=timezone.now(),
        created_by=by.user,
        last_updated_by=by.user,
    )
    fork_isolations(conversation, past, {}, by=by)
    _begin_thread(past, [], by=by)
    conversation.message_links.filter(position__gt=0).update(conversation=past)
    Run.objects.filter(pk__in=[run.pk for run in runs]).update(conversation=past)
    conversation.last_message_at = None
    conversation.last_updated_by = by.user
    conversation.save(update_fields=["last_message_at", "last_updated_by", "updated_at"])
    return past


@transaction.atomic
def delete_conversation(
    conversation: Conversation, *, by: Actor, expected_version: int | None = None
) -> None:
    """Take a conversation and its isolated blocks out of sight. `restore_conversation` undoes it
    until `purge` removes both."""
    abandon_runs(Run.objects.filter(conversation=conversation))
    conversation = _lock(conversation)
    _check_version(conversation, expected_version, {})
    if conversation.is_default:
        raise Conflict(
            f"Conversation '{conversation.pk}' is the default one of agent "
            f"'{conversation.agent_id}' and lives as long as the agent"
        )
    conversation.deleted_at = timezone.now()
    conversation.last_updated_by = by.user
    conversation.save(update_fields=["deleted_at", "last_updated_by", "updated_at"])


@transaction.atomic
def restore_conversation(conversation: Conversation, *, by: Actor) -> Conversation:
    """Bring back a deleted conversation with its isolated blocks and messages."""
    conversation = _lock(conversation, deleted=True)
    if conversation.agent.deleted_at:
        raise Conflict(
            f"Agent '{conversation.agent_id}' of this conversation is deleted; restore it first"
        )
    conversation.deleted_at = None
    conversation.last_updated_by = by.user
    conversation.save(update_fields=["deleted_at", "last_updated_by", "updated_at"])
    return conversation


def _begin_thread(conversation: Conversation, shared: list[Message], *, by: Actor) -> None:
    """Store the system message of a new conversation, at position 0, and then the messages it
    shares with another one. Nobody else can see it yet, so nothing needs a lock."""
    now = timezone.now()
    blocks = effective_blocks(conversation)
    prompt = compile_prompt(conversation, blocks, compiled_at=now, message_count=len(shared))
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
    conversation: Conversation, expected: int | None, wished: ConversationFields
) -> None:
    """Raise StaleVersion unless the conversation, whose lock is held, is at this version."""
    if expected is None or expected == conversation.version:
        return
    fields = {name: getattr(conversation, name) for name in ConversationFields.__annotations__}
    present, wanted = (
        json.dumps(values, indent=1, cls=DjangoJSONEncoder, ensure_ascii=False)
        for values in (fields, {**fields, **wished})
    )
    raise StaleVersion(
        f"Conversation '{conversation.pk}'",
        expected=expected,
        version=conversation.version,
        value=fields,
        diff=unified(present, wanted, f"version {conversation.version}", "this write"),
    )


def _lock(conversation: Conversation, *, deleted: bool = False) -> Conversation:
    """The fresh row, held until the transaction ends; a deleted one only if asked for."""
    rows = Conversation.objects.select_for_update(no_key=True, of=("self",)).select_related("agent")
    if not deleted:
        rows = rows.filter(deleted_at=None)
    try:
        return rows.get(pk=conversation.pk)
    except Conversation.DoesNotExist:
        raise NotFound(f"Conversation not found with id='{conversation.pk}'") from None


def _messages_until(source: Conversation, at: Message | None) -> list[ConversationMessage]:
    """The links of the messages a fork takes along, oldest first, without the system message."""
    links = source.message_links.filter(position__gt=0).select_related("message")
    if at is None:
        return list(links.in_context())
    end = source.message_links.filter(message=at).first()
    if end is None:
        raise NotFound(f"Message '{at.pk}' is not in conversation '{source.pk}'")
    links = links.filter(position__lte=end.position)
    if end.in_context:
        return list(links.in_context())
    # The message was compacted away since: take the thread as it stood then, which begins at the
    # last summary before it.
    summaries = links.filter(message__role=Message.Role.SUMMARY).order_by("-position")
    if summary := summaries.first():
        links = links.filter(position__gte=summary.position)
    return list(links.order_by("position"))
