"""An agent's archive as its archival memory: what its tools and the API search."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import Field
from typing_extensions import TypedDict

from ...models import Agent, Archive, Passage
from ...models.archives import PassageQuerySet
from .search import FoundPassage, search_passages
from .times import parse_end, parse_start

DEFAULT_RESULTS = 10


@dataclass(frozen=True)
class MemoryFilter:
    """The passages to search: with any or all of these tags, created between two times."""

    tags: Sequence[str] = ()
    match_all: bool = False
    start: str | None = None
    end: str | None = None

    def matching(
        self, rows: PassageQuerySet, zone: tzinfo, *, suffix: str = "datetime"
    ) -> PassageQuerySet:
        """Return the passages that match.

        Raises InvalidValue for what is no time; the names of the times end in `suffix`.
        """
        rows = rows.with_tags(self.tags, match_all=self.match_all)
        return rows.created_between(
            parse_start(f"start_{suffix}", self.start, zone) if self.start else None,
            parse_end(f"end_{suffix}", self.end, zone) if self.end else None,
        )


class FoundMemory(TypedDict):
    """A passage that a search in an agent's archive found."""

    id: str
    timestamp: Annotated[str, Field(description="In the agent's time zone.")]
    content: str
    tags: list[str]


def search_memory(
    agent: Agent,
    archive: Archive,
    query: str,
    *,
    where: MemoryFilter,
    limit: int = DEFAULT_RESULTS,
    vectors: Mapping[str, Sequence[float]] | None = None,
) -> list[FoundMemory]:
    """Search the archive of an agent."""
    zone = ZoneInfo(agent.timezone)
    rows = Passage.objects.in_organization(agent.organization_id).live()
    found = search_passages(
        where.matching(rows, zone), query, limit=limit, vectors=vectors, archive_id=archive.pk
    )
    return [_found_memory(each, zone) for each in found]


def _found_memory(found: FoundPassage, zone: ZoneInfo) -> FoundMemory:
    passage = found.passage
    return {
        "id": passage.pk,
        "timestamp": passage.created_at.astimezone(zone).isoformat(),
        "content": passage.text,
        "tags": passage.tags,
    }
