"""Messages and their positions in conversations."""

import json
import re
from typing import Any, Self

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.sql.compiler import SQLCompiler

from ..ids import PrefixedUUIDField
from ..tenancy import AccessSetter
from .agents import Agent
from .base import SQL, ListLookup, OrganizationModel, OrganizationQuerySet, TextLookup
from .conversations import Conversation

# The function that row-level security adds (`domain/row_security.py`).
FIND_MESSAGES = "conversations_find_messages"


class MessageQuerySet(OrganizationQuerySet["Message"]):
    """Query sets of messages."""

    def in_live_conversations(self) -> Self:
        """Return those of live conversations, including messages that a live fork shares."""
        return self.filter(
            models.Exists(
                ConversationMessage.objects.filter(
                    message=models.OuterRef("pk"),
                    conversation__deleted_at=None,
                    conversation__agent__deleted_at=None,
                )
            )
        )


class PartsField(models.JSONField):
    """A list of parts, each an object with a `type`."""


@PartsField.register_lookup
class HasPart(ListLookup):
    """Whether a list of parts contains one of a type, as in `content__has_part="text"`."""

    lookup_name = "has_part"
    sqlite = "EXISTS (SELECT 1 FROM json_each({lhs}) WHERE json_extract(value, '$.type') = {rhs})"
    postgresql = "{lhs} @> {rhs}::jsonb"

    def get_db_prep_lookup(self, value: Any, connection: BaseDatabaseWrapper) -> SQL:
        part = json.dumps([{"type": value}]) if connection.vendor == "postgresql" else value
        return super().get_db_prep_lookup(part, connection)


@PartsField.register_lookup
class HasWords(TextLookup):
    """Whether the texts of the parts contain all of these words, in any order and case.

    PostgreSQL uses its full-text search with an index, which leaves out texts of more than half a
    megabyte. SQLite reads all texts and also finds parts of words.
    """

    lookup_name = "has_words"
    prepare_rhs = False
    # The expressions of the index. A tsvector has a maximum of one megabyte and takes up to twice
    # the size of its text; a row beyond that could not be inserted.
    TEXTS = "jsonb_path_query_array({}, '$[*].text')"
    INDEXED = f"octet_length({TEXTS}::text) < 500000"
    DOCUMENT = f"to_tsvector('simple', {TEXTS})"

    def get_db_prep_lookup(self, value: Any, connection: BaseDatabaseWrapper) -> SQL:
        if connection.vendor == "postgresql":
            return "%s", (value,)
        escaped = re.sub(r"([%_\\])", r"\\\1", value)
        return "%s", ([f"%{word}%" for word in escaped.split()],)

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> SQL:
        """Search the parts with json_each."""
        lhs, lhs_params = self.process_lhs(compiler, connection)
        patterns = self.get_db_prep_lookup(self.rhs, connection)[1][0]
        parts = f"SELECT 1 FROM json_each({lhs}) WHERE json_extract(value, '$.text')"  # noqa: S608 (Django compiled it)
        conditions = [rf"EXISTS ({parts} LIKE %s ESCAPE '\')" for _ in patterns]
        params = [param for pattern in patterns for param in (*lhs_params, pattern)]
        return " AND ".join(conditions) or "1 = 0", tuple(params)

    def as_postgresql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> SQL:
        """Search the parts with an index."""
        lhs, lhs_params = self.process_lhs(compiler, connection)
        rhs, rhs_params = self.process_rhs(compiler, connection)
        if AccessSetter.of(connection).is_active(connection):
            # Policies come before conditions that could leak, so the index would not be used.
            table = compiler.quote_name_unless_alias(self.lhs.alias)
            return f"{table}.id IN (SELECT {FIND_MESSAGES}({rhs}))", rhs_params
        indexed, document = self.INDEXED.format(lhs), self.DOCUMENT.format(lhs)
        condition = f"({indexed} AND {document} @@ plainto_tsquery('simple', {rhs}))"
        return condition, (*lhs_params, *lhs_params, *rhs_params)


class Message(OrganizationModel):
    """One entry of a conversation. A fork shares the messages of its original."""

    class Role(models.TextChoices):
        SYSTEM = "system"
        USER = "user"
        ASSISTANT = "assistant"
        TOOL = "tool"
        SUMMARY = "summary"
        APPROVAL = "approval"

    id = PrefixedUUIDField(prefix="message", primary_key=True)
    agent = models.ForeignKey(Agent, models.CASCADE, related_name="messages")
    role = models.CharField(max_length=9, choices=Role.choices)
    content = PartsField(
        default=list, blank=True, help_text='Parts: {"type": "text", "text": …} and others.'
    )
    tool_calls = models.JSONField(default=list, blank=True)
    tool_call_id = models.CharField(max_length=200, null=True, blank=True)  # noqa: DJ001
    tool_returns = models.JSONField(default=list, blank=True)
    name = models.CharField(max_length=200, null=True, blank=True)  # noqa: DJ001
    otid = models.CharField(  # noqa: DJ001
        max_length=200, null=True, blank=True, help_text="The client's id for the message."
    )
    sender_id = models.CharField(max_length=200, null=True, blank=True)  # noqa: DJ001
    group_id = models.CharField(max_length=200, null=True, blank=True)  # noqa: DJ001
    model = models.CharField(max_length=200, null=True, blank=True)  # noqa: DJ001
    run = models.ForeignKey(
        "conversations.Run", models.SET_NULL, null=True, blank=True, related_name="messages"
    )
    step = models.ForeignKey(
        "conversations.Step", models.SET_NULL, null=True, blank=True, related_name="messages"
    )
    is_err = models.BooleanField(null=True, blank=True)
    conversations = models.ManyToManyField(
        Conversation, through="ConversationMessage", related_name="messages"
    )

    objects = MessageQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(
                    role__in=["system", "user", "assistant", "tool", "summary", "approval"]
                ),
                name="message_role_is_known",
            )
        ]
        indexes = [
            models.Index(fields=["organization", "created_at", "id"], name="messages_by_creation"),
            models.Index(fields=["agent", "created_at", "id"], name="agent_messages_by_creation"),
        ]

    def __str__(self) -> str:
        return f"{self.role} {self.id}"

    @property
    def text(self) -> str:
        """The text parts, joined."""
        return "".join(part.get("text", "") for part in self.content if part["type"] == "text")


class ConversationMessageQuerySet(OrganizationQuerySet["ConversationMessage"]):
    """Query sets of messages at their positions in conversations."""

    organization_path = "conversation__organization"

    def in_context(self) -> Self:
        """Return what the model reads: system message, summary, then the others in order."""
        is_summary = models.Q(message__role=Message.Role.SUMMARY)
        order = models.Case(
            models.When(position=0, then=0), models.When(is_summary, then=1), default=2
        )
        return self.filter(in_context=True).order_by(order, "position")


class ConversationMessage(models.Model):
    """A message at its position in a conversation; position 0 is the system message."""

    conversation = models.ForeignKey(Conversation, models.CASCADE, related_name="message_links")
    message = models.ForeignKey(Message, models.CASCADE, related_name="conversation_links")
    position = models.PositiveIntegerField()
    in_context = models.BooleanField(default=True, help_text="Whether the model reads it.")

    objects = ConversationMessageQuerySet.as_manager()

    class Meta:
        ordering = ["conversation", "position"]
        constraints = [
            models.UniqueConstraint(
                fields=["conversation", "position"], name="message_position_is_unique"
            ),
            models.UniqueConstraint(
                fields=["conversation", "message"], name="message_once_per_conversation"
            ),
        ]
        indexes = [
            # After compactions, few of the messages are in context.
            models.Index(
                fields=["conversation", "position"],
                condition=models.Q(in_context=True),
                name="messages_in_context",
            )
        ]

    def __str__(self) -> str:
        return f"{self.conversation_id} [{self.position}]"
