"""JSON of revisions."""

from datetime import datetime
from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from ...domain.memory.revisions import RevisionDiff
from ...models import BlockRevision
from .fields import attributes, one_of
from .isolated_blocks import DiffPartJSON, diff_json


class RevisionJSON(TypedDict):
    """The state of a block after one edit, with the edit's author and source."""

    number: int
    value: str
    description: str | None
    limit: int
    source: Annotated[str, one_of(BlockRevision.Source.values)]
    reason: str
    written_at: datetime
    written_by_id: str | None
    conversation_id: str | None
    run_id: str | None
    unconditional: Annotated[bool, Field(description="Whether it was written without `If-Match`.")]
    restored_number: Annotated[
        int | None, Field(description="Revision whose state an undo, redo or restore took.")
    ]


class ChangeJSON(TypedDict):
    """What changed between two revisions: as a unified diff and in parts."""

    older: RevisionJSON
    newer: RevisionJSON
    unified: str
    changes: list[DiffPartJSON]


def revision_json(revision: BlockRevision) -> RevisionJSON:
    """Return the JSON of a revision."""
    return attributes(RevisionJSON, revision)


def change_json(change: RevisionDiff) -> ChangeJSON:
    """Return the JSON of a change."""
    return {
        "older": revision_json(change.older),
        "newer": revision_json(change.newer),
        "unified": change.unified,
        "changes": diff_json(change.parts),
    }
