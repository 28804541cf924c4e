"""Create, update, delete and restore agents; attach, detach and order their blocks."""

import random
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, TypedDict, Unpack
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import Max
from django.utils import timezone as clock

from ...models import (
    Agent,
    AgentBlock,
    AuditAction,
    Block,
    Folder,
    Identity,
    Message,
    Organization,
    Run,
    Tool,
)
from ..actor import Actor
from ..audit import record
from ..errors import (
    BlockNotAttached,
    InvalidValue,
    LabelTaken,
    ModelRequired,
    NotFound,
    RepeatedLabels,
    UnknownId,
    UnknownLabels,
)
from ..folders.folders import replace_folders
from ..memory.blocks import BlockFields, check_not_isolated, insert_blocks, lock_blocks
from ..memory.periods import begin_periods, end_periods
from ..memory.prompt import DEFAULT_SYSTEM_PROMPT, recompile
from ..memory.writes import mark_stale, memory_write
from ..model_handles import check_model_handle
from ..quotas import check_conversations
from ..runs.finish import request_cancel_of_all
from ..tools.attached import attach_tools, replace_tools, require_approval
from ..tools.rules import checked_rules
from ..tools.variables import replace_variables
from .conversations import create_conversation
from .identities import replace_identities
from .messages import append_messages


class AgentFields(TypedDict, total=False):
    """What a caller may set on an agent."""

    name: str
    description: str | None
    system: str
    agent_type: str
    model: str
    model_settings: dict[str, Any] | None
    fallback_model: str | None
    on_busy: str | None
    embedding: str | None
    context_window_limit: int
    max_files_open: int | None
    per_file_view_window_char_limit: int | None
    timezone: str
    tool_rules: list[dict[str, Any]]
    tags: list[str]
    metadata: dict[str, Any]
    hidden: bool | None
    isolated_labels: list[str]


ADJECTIVES = ["Brisk", "Calm", "Clear", "Eager", "Fair", "Keen", "Kind", "Quick", "Steady", "Warm"]
NOUNS = ["Badger", "Crane", "Falcon", "Finch", "Heron", "Lynx", "Marten", "Otter", "Raven", "Wren"]
# The default prompt depends on these.
PROMPT_FIELDS = {
    *("system", "timezone", "deleted_at"),
    *("max_files_open", "per_file_view_window_char_limit", "context_window_limit"),
}


@memory_write
def create_agent(
    organization: Organization,
    *,
    by: Actor,
    memory_blocks: Iterable[BlockFields] = (),
    blocks: Iterable[Block] = (),
    tools: Iterable[Tool] = (),
    variables: Mapping[str, str] | None = None,
    identities: Iterable[Identity] = (),
    folders: Iterable[Folder] = (),
    initial_messages: Iterable[Message] = (),
    **fields: Unpack[AgentFields],
) -> Agent:
    """Create an agent with new blocks, then existing ones, and its default conversation."""
    fields.setdefault("name", f"{random.choice(ADJECTIVES)}{random.choice(NOUNS)}")  # noqa: S311
    fields.setdefault("system", DEFAULT_SYSTEM_PROMPT)
    policy = fields.pop("isolated_labels", [])
    if "model" not in fields:
        raise ModelRequired("An agent needs a model")
    _check(fields)
    agent = Agent.objects.create(
        organization=organization, created_by=by.member, last_updated_by=by.member, **fields
    )
    new = [
        Block(organization=organization, created_by=by.member, last_updated_by=by.member, **block)
        for block in memory_blocks
    ]
    insert_blocks(new, by=by)
    _attach(agent, [*new, *_lock_blocks(blocks)], by=by, at=agent.created_at)
    _set_tools(agent, tools)
    if variables:
        replace_variables(agent, variables)
    if identities:
        replace_identities(agent, identities)
    _set_policy(agent, policy)
    conversation = create_conversation(agent, by=by, is_default=True)
    if folders:
        replace_folders(agent, folders, by=by)
    if messages := list(initial_messages):
        # They were made before the system message; lists sort by time.
        for number, message in enumerate(messages):
            message.created_at = clock.now() + timedelta(microseconds=number)
        append_messages(conversation, messages, by=by)
        recompile(conversation)
    return agent


@memory_write
def update_agent(
    agent: Agent,
    *,
    by: Actor,
    blocks: Iterable[Block] | None = None,
    tools: Iterable[Tool] | None = None,
    variables: Mapping[str, str] | None = None,
    identities: Iterable[Identity] | None = None,
    folders: Iterable[Folder] | None = None,
    **changes: Unpack[AgentFields],
) -> Agent:
    """Change fields of an agent and return the fresh row.

    `blocks`, `tools`, `identities` and `folders` replace the attached ones, `variables` the
    environment variables.
    """
    if folders is not None:
        replace_folders(agent, folders, by=by)  # It locks the folders first.
    agent = _lock(agent)
    policy = changes.pop("isolated_labels", None)
    _check(changes)
    for name, value in changes.items():
        setattr(agent, name, value)
    if blocks is not None:
        replacements = _lock_blocks(blocks)
        now = clock.now()
        end_periods(agent.reading_periods.all(), by=by, at=now)
        agent.block_links.all().delete()
        _attach(agent, replacements, by=by, at=now)
    if policy is not None:
        before = agent.isolated_labels
        _set_policy(agent, policy)
        if agent.isolated_labels != before:
            labels = {"isolated_labels": agent.isolated_labels, "before": before}
            _record(AuditAction.POLICY_CHANGED, agent, by=by, **labels)
    if variables is not None:
        replace_variables(agent, variables)
    if identities is not None:
        replace_identities(agent, identities)
    if tools is not None:
        replace_tools(agent, tools)
        _save(agent, *changes, "tool_rules", by=by)
    else:
        _save(agent, *changes, by=by)
    return agent


@transaction.atomic
def set_tool_approval(agent: Agent, tool: str, required: bool, *, by: Actor) -> Agent:
    """Set whether each call of one of the agent's tools needs approval."""
    agent = _lock(agent)
    if not agent.tools.filter(name=tool).exists():
        raise NotFound(f"Tool {tool!r} not found on agent '{agent.pk}'")
    require_approval(agent, tool, required)
    _save(agent, "tool_rules", by=by)
    return agent


@transaction.atomic
def attach_tool(agent: Agent, tool: Tool, *, by: Actor) -> Agent:
    """Attach a tool to an agent. Attaching it again changes nothing."""
    agent = _lock(agent)
    attach_tools(agent, [tool])
    _save(agent, "tool_rules", by=by)
    return agent


@transaction.atomic
def detach_tool(agent: Agent, tool: Tool, *, by: Actor) -> Agent:
    """Detach a tool from an agent. Detaching it again changes nothing, as in V1."""
    agent = _lock(agent)
    agent.tool_links.filter(tool=tool).delete()
    _save(agent, by=by)
    return agent


@memory_write
def delete_agent(agent: Agent, *, by: Actor) -> None:
    """Hide an agent and its conversations until `purge` removes them. Its shared blocks stay."""
    request_cancel_of_all(Run.objects.filter(agent=agent))
    agent = _lock(agent)
    agent.deleted_at = clock.now()
    _save(agent, "deleted_at", by=by)
    _record(AuditAction.DELETED, agent, by=by)


@memory_write
def restore_agent(agent: Agent, *, by: Actor) -> Agent:
    """Restore a deleted agent with the conversations that were not deleted on their own."""
    agent = _lock(agent, deleted=True)
    if agent.deleted_at:
        returning = agent.conversations.filter(deleted_at=None).count()
        check_conversations(agent.organization_id, by=by, new=returning)
    agent.deleted_at = None
    _save(agent, "deleted_at", by=by)
    _record(AuditAction.RESTORED, agent, by=by)
    return agent


@memory_write
def attach_block(agent: Agent, block: Block, *, by: Actor) -> Agent:
    """Attach a shared block to an agent. Attaching it again changes nothing."""
    agent = _lock(agent)
    blocks = _lock_blocks([block])
    if not agent.block_links.filter(block=block).exists():
        _attach(agent, blocks, by=by)
        _save(agent, by=by)
    return agent


@memory_write
def detach_block(agent: Agent, block: Block, *, by: Actor) -> Agent:
    """Detach a shared block. Conversations that isolated its label keep their copies."""
    agent = _lock(agent)
    detached, _ = agent.block_links.filter(block=block).delete()
    if not detached:
        raise BlockNotAttached(agent.pk, block.pk)
    end_periods(agent.reading_periods.filter(block=block), by=by)
    _save(agent, by=by)
    return agent


@memory_write
def move_block(agent: Agent, block: Block, *, by: Actor, places: int) -> Agent:
    """Move an attached block down the prompt by a number of places; negative numbers move it up."""
    agent = _lock(agent)
    links = list(agent.block_links.in_prompt_order())
    start = next((n for n, link in enumerate(links) if link.block_id == block.pk), None)
    if start is None:
        raise BlockNotAttached(agent.pk, block.pk)
    end = min(max(start + places, 0), len(links) - 1)
    if end != start:
        links.insert(end, links.pop(start))
        moved = [link for position, link in enumerate(links) if link.position != position]
        for position, link in enumerate(links):
            link.position = position
        AgentBlock.objects.bulk_update(moved, ["position"])
        now = clock.now()
        periods = agent.reading_periods.filter(block__in=[link.block_id for link in moved])
        end_periods(periods, by=by, at=now)
        begin_periods(moved, by=by, at=now)
        _save(agent, by=by)
    return agent


def _lock_blocks(blocks: Iterable[Block]) -> list[Block]:
    """Lock the rows against renaming and deletion, and return them fresh in the given order."""
    blocks = list(blocks)
    rows = {row.pk: row for row in lock_blocks(blocks)}
    if missing := [block.pk for block in blocks if block.pk not in rows]:
        raise UnknownId(Block, missing[0])
    return [rows[block.pk] for block in blocks]


def _attach(agent: Agent, blocks: list[Block], *, by: Actor, at: datetime | None = None) -> None:
    """Attach blocks after those the agent has. The caller has locked the agent and the blocks."""
    for block in blocks:
        if block.organization_id != agent.organization_id:
            raise UnknownId(Block, block.pk)
        check_not_isolated(block, f"be attached to agent '{agent.pk}'")
    labels = Counter(block.label for block in blocks)
    if repeated := [label for label, count in labels.items() if count > 1]:
        raise RepeatedLabels(repeated)
    if taken := agent.block_links.filter(label__in=labels).first():
        raise LabelTaken(agent.pk, taken.label)
    last = agent.block_links.aggregate(n=Max("position"))["n"]
    links = AgentBlock.objects.bulk_create(
        AgentBlock(agent=agent, block=block, label=block.label, position=position)
        for position, block in enumerate(blocks, start=0 if last is None else last + 1)
    )
    begin_periods(links, by=by, at=at)


def _set_tools(agent: Agent, tools: Iterable[Tool]) -> None:
    """Attach the tools of a new agent."""
    rules = agent.tool_rules
    attach_tools(agent, tools)
    if agent.tool_rules != rules:
        agent.save(update_fields=["tool_rules"])


def _record(action: AuditAction, agent: Agent, *, by: Actor, **details: Any) -> None:
    record(action, by=by, organization=agent.organization_id, about=agent, **details)


def _set_policy(agent: Agent, labels: list[str]) -> None:
    known = set(agent.block_links.values_list("label", flat=True))
    if missing := [label for label in labels if label not in known]:
        raise UnknownLabels(agent.pk, missing, sorted(known))
    agent.isolated_labels = list(dict.fromkeys(labels))
    agent.save(update_fields=["isolated_labels"])


def _check(fields: AgentFields) -> None:
    """Raise unless a caller may set these values; complete the tool rules."""
    for handle in (fields.get("model"), fields.get("fallback_model")):
        if handle is not None:
            check_model_handle(handle)
    if "tool_rules" in fields:
        fields["tool_rules"] = checked_rules(fields["tool_rules"])
    check_agent(fields)


def check_agent(fields: AgentFields) -> None:
    """Raise InvalidValue unless an agent can have these values; the model is not checked."""
    name = fields.get("name")
    # V1's rule: letters of any script, digits, spaces, hyphens, underscores and apostrophes.
    if name is not None and not re.fullmatch(r"[\w '\-]+", name):
        raise InvalidValue(
            "name",
            f"expected letters, digits, spaces, hyphens, underscores and apostrophes, got {name!r}",
        )
    if name is not None and len(name) > 200:
        raise InvalidValue("name", f"expected at most 200 characters, got {len(name)}")
    if (limit := fields.get("context_window_limit")) is not None and limit < 1:
        raise InvalidValue("context_window_limit", f"expected at least 1 token, got {limit}")
    if (zone := fields.get("timezone")) is not None:
        try:
            ZoneInfo(zone)
        # KeyError for an unknown name; the others for names that are paths or folders.
        except (KeyError, ValueError, OSError) as error:
            raise InvalidValue(
                "timezone", f"expected an IANA name like 'Europe/Lisbon', got {zone!r}"
            ) from error


def _lock(agent: Agent, *, deleted: bool = False) -> Agent:
    """Lock and return the fresh row. Raises NotFound for a deleted one unless `deleted`."""
    rows = Agent.objects.select_for_update(no_key=True)
    try:
        return (rows if deleted else rows.live()).get(pk=agent.pk)
    except Agent.DoesNotExist:
        raise UnknownId(Agent, agent.pk) from None


def _save(agent: Agent, *fields: str, by: Actor) -> None:
    agent.last_updated_by = by.member
    agent.save(update_fields=[*fields, "last_updated_by", "updated_at"])
    if PROMPT_FIELDS & set(fields):
        mark_stale(agent=agent)
