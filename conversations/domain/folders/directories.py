"""The files that an agent reads with its prompt."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from django.db.models import Case, F, TextField, Value, When

from ...models import Agent, AgentFile, AgentFolder

# In the prompt, of each folder: closed files beyond these are only counted.
MAX_CLOSED_FILES = 100
# Up to this context window in tokens: how many files may be open, and characters of each. V1's.
LIMITS = [
    (8_000, 3, 5_000),
    (32_000, 5, 15_000),
    (128_000, 10, 25_000),
    (200_000, 10, 40_000),
]
MORE = (15, 40_000)


@dataclass(frozen=True)
class FileLimits:
    """How many files an agent may have open, and how many characters of each it reads."""

    files: int
    characters: int


@dataclass(frozen=True)
class ListedFile:
    """A file in the prompt: what the agent reads of it, None if it is closed."""

    name: str
    text: str | None


@dataclass(frozen=True)
class Directory:
    """An attached folder in the prompt."""

    name: str
    description: str | None
    instructions: str | None
    files: list[ListedFile] = field(default_factory=list)


def limits_of(agent: Agent) -> FileLimits:
    """Return the limits of an agent: its own, or those that its context window permits."""
    window = agent.context_window_limit
    files, characters = next((row[1:] for row in LIMITS if window <= row[0]), MORE)
    return FileLimits(
        files if agent.max_files_open is None else agent.max_files_open,
        agent.per_file_view_window_char_limit or characters,
    )


def visible_text(content: str, start: int | None, end: int | None, limit: int) -> str:
    """Return the lines of a file that an agent reads, numbered from 1, under a heading as in V1.

    Args:
        content: The whole text.
        start: The first line, counted from 0.
        end: The line after the last one.
        limit: The maximum of characters.
    """
    lines = content.splitlines()
    first = min(start or 0, len(lines))
    last = len(lines) if end is None else min(end, len(lines))
    if start is None and end is None:
        heading = f"[Viewing file start (out of {len(lines)} lines)]"
    else:
        heading = f"[Viewing lines {first + 1} to {last} (out of {len(lines)} lines)]"
    shown, used = [heading], 0
    for number, line in enumerate(lines[first:last], start=first + 1):
        row = f"{number}: {line}"
        if used + len(row) > limit:
            shown.append(f"{row[: limit - used]}… [at most {limit} characters are shown]")
            break
        shown.append(row)
        used += len(row) + 1
    return "\n".join(shown)


def directories_of(agents: Iterable[Agent]) -> dict[str, list[Directory]]:
    """Return what the prompts of agents have of files, by agent.

    Two queries; none if no agent has ever had a folder.
    """
    by_id = {agent.pk: agent for agent in agents if agent.files_version}
    found: dict[str, list[Directory]] = defaultdict(list)
    if not by_id:
        return found
    directories: dict[int, Directory] = {}
    for link in AgentFolder.objects.filter(agent__in=by_id).select_related("folder").order_by("id"):
        folder = link.folder
        directory = Directory(folder.name, folder.description, folder.instructions)
        directories[link.pk] = directory
        found[link.agent_id].append(directory)
    text = Case(When(is_open=True, then=F("file__content")), default=Value(None, TextField()))
    rows = AgentFile.objects.filter(agent__in=by_id).in_prompt_order()
    columns = ("agent_id", "folder_link_id", "file__name", "is_open", "start_line", "end_line")
    for agent_id, link_id, name, is_open, start, end, content in rows.values_list(*columns, text):
        shown = None
        if is_open:
            limit = limits_of(by_id[agent_id]).characters
            shown = visible_text(content or "", start, end, limit)
        directory = directories[link_id]
        directory.files.append(ListedFile(f"{directory.name}/{name}", shown))
    return found
