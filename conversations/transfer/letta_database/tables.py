"""The tables here that a V1 database fills, with the columns that are written, in order."""

from dataclasses import dataclass
from functools import cached_property

from django.db.models import Field, JSONField, Model

from ...models import (
    Agent,
    AgentBlock,
    Block,
    BlockRevision,
    Conversation,
    ConversationMessage,
    IsolatedBlock,
    Message,
    Organization,
    ReadingPeriod,
    Run,
    Step,
    User,
)

OWNED = "id organization_id created_at updated_at created_by_id last_updated_by_id"


@dataclass(frozen=True)
class Table:
    """`key` are the columns that say which row is which; `untold` are those that change by
    themselves here, so that they are not compared with V1's."""

    model: type[Model]
    columns: tuple[str, ...]
    key: tuple[str, ...] = ("id",)
    untold: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        return str(self.model._meta.verbose_name_plural)

    @cached_property
    def fields(self) -> list[Field]:
        by_column = {field.attname: field for field in self.model._meta.concrete_fields}
        return [by_column[name] for name in self.columns]

    @cached_property
    def json_columns(self) -> set[int]:
        return {i for i, field in enumerate(self.fields) if isinstance(field, JSONField)}


def _table(model: type[Model], columns: str, key: str = "id", untold: str = "") -> Table:
    return Table(model, tuple(columns.split()), tuple(key.split()), frozenset(untold.split()))


ORGANIZATIONS = _table(Organization, "id name created_at")
USERS = _table(
    User,
    "id username password first_name last_name email is_superuser is_staff is_active date_joined "
    "organization_id",
    untold="password is_superuser is_staff is_active first_name last_name email",
)
AGENTS = _table(
    Agent,
    f"{OWNED} name description system agent_type model model_settings embedding "
    "context_window_limit timezone tools approval_tools tool_definitions tags metadata hidden "
    "isolated_labels last_run_completed_at deleted_at",
    untold="updated_at last_updated_by_id isolated_labels last_run_completed_at",
)
BLOCKS = _table(
    Block,
    f"{OWNED} label value limit description metadata read_only copy_on_write hidden tags version "
    "is_template template_name project_id conversation_id deleted_at",
    untold="updated_at last_updated_by_id version copy_on_write",
)
REVISIONS = _table(
    BlockRevision,
    "block_id number value description limit attributes source reason unconditional written_by_id "
    "written_at base_version conversation_id",
    key="block_id number",
)
ATTACHED = _table(AgentBlock, "agent_id block_id label position", key="agent_id block_id")
PERIODS = _table(
    ReadingPeriod,
    "agent_id conversation_id block_id label position since",
    key="block_id agent_id conversation_id",
)
CONVERSATIONS = _table(
    Conversation,
    f"{OWNED} agent_id is_default summary model model_settings hidden version compiled_from "
    "last_message_at last_run_completed_at deleted_at",
    untold="updated_at last_updated_by_id version compiled_from last_run_completed_at",
)
ISOLATED = _table(
    IsolatedBlock,
    "conversation_id block_id label source_block_id base_value base_version created_at",
    key="block_id",
    untold="source_block_id base_value base_version created_at",
)
RUNS = _table(
    Run,
    f"{OWNED} agent_id conversation_id status stop_reason background metadata request_config "
    "request request_digest usage error error_type worker started_at completed_at ttft_ns "
    "total_duration_ns",
    untold="updated_at",
)
STEPS = _table(
    Step,
    f"{OWNED} run_id number model stop_reason usage blocks_seen error",
    untold="updated_at",
)
MESSAGES = _table(
    Message,
    f"{OWNED} agent_id role content tool_calls tool_call_id tool_returns name otid sender_id "
    "group_id model run_id step_id is_err",
    untold="updated_at",
)
PLACES = _table(
    ConversationMessage,
    "conversation_id message_id position in_context",
    key="conversation_id message_id",
)
