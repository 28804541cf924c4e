"""Which files of its folders an agent has open."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.utils import timezone

from ...models import Agent, AgentFile, File
from ..errors import InvalidArgument, UnknownId
from ..memory.writes import memory_write
from .directories import limits_of, visible_text
from .folders import mark_files_changed


@dataclass(frozen=True)
class Opening:
    """A file to open: all of it, or `length` lines from line `offset`, which counts from 0."""

    link: AgentFile
    offset: int | None = None
    length: int | None = None

    @property
    def end(self) -> int | None:
        """The line after the last one."""
        return None if self.length is None else (self.offset or 0) + self.length


def file_of_agent(agent: Agent, file_id: str) -> AgentFile:
    """Return an agent's link to a file. Raises UnknownId if no attached folder has the file."""
    link = agent.file_links.with_content().filter(file=file_id).first()
    if link is None:
        raise UnknownId(File, file_id)
    return link


@memory_write
def open_files(
    agent: Agent, openings: Sequence[Opening], *, closes_others: bool = False
) -> list[str]:
    """Open files; return the names of those that were closed for it, oldest use first.

    Raises InvalidArgument for more files than the agent may have open.
    """
    limit = limits_of(agent).files
    if len(openings) > limit:
        raise InvalidArgument(f"expected at most {limit} files, got {len(openings)}")
    now = timezone.now()
    for opening in openings:
        link = opening.link
        link.is_open, link.accessed_at = True, now
        link.start_line, link.end_line = opening.offset, opening.end
    fields = ["is_open", "accessed_at", "start_line", "end_line"]
    links = [opening.link for opening in openings]
    AgentFile.objects.bulk_update(links, fields)
    others = agent.file_links.filter(is_open=True).exclude(pk__in=[link.pk for link in links])
    oldest_first = list(others.select_related("file__folder").order_by("accessed_at", "id"))
    excess = len(oldest_first) + len(links) - limit
    closed = oldest_first if closes_others else oldest_first[: max(0, excess)]
    _close(closed)
    mark_files_changed(agent)
    return [name_of(link.file) for link in closed]


@memory_write
def close_files(agent: Agent, links: Iterable[AgentFile] | None = None) -> list[str]:
    """Close files, all by default; return the names of those that were open."""
    rows = agent.file_links.filter(is_open=True).select_related("file__folder")
    if links is not None:
        rows = rows.filter(pk__in=[link.pk for link in links])
    closed = list(rows.order_by("id"))
    _close(closed)
    if closed:
        mark_files_changed(agent)
    return [name_of(link.file) for link in closed]


def name_of(file: File) -> str:
    """Return the name of a file as agents know it: folder/file."""
    return f"{file.folder.name}/{file.name}"


def text_of(agent: Agent, link: AgentFile) -> str:
    """Return what an agent reads of a file, which was loaded `with_content`."""
    limit = limits_of(agent).characters
    return visible_text(link.file.content or "", link.start_line, link.end_line, limit)


def _close(links: Sequence[AgentFile]) -> None:
    ids = [link.pk for link in links]
    AgentFile.objects.filter(pk__in=ids).update(is_open=False, start_line=None, end_line=None)
