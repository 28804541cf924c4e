"""The runner of `archival_memory_search`, which needs the vector of the query."""

from typing import Any

from ...domain.archives.archives import find_archive
from ...domain.errors import DomainError
from ...domain.tools.archival import search_archive
from ...domain.tools.execution import ToolResult, checked_arguments
from ...models import Tool
from ..database import in_database_when_available
from ..embeddings import query_vectors
from .runner import CallContext


class ArchivalSearch:
    """Searches the archive of the agent by words and by meaning.

    It does not find what another call of the same reply inserts.
    """

    async def run(self, tool: Tool, arguments: dict[str, Any], context: CallContext) -> ToolResult:
        """Run one call."""
        agent = context.agent
        try:
            checked = checked_arguments(tool.name, arguments)
            archive = await in_database_when_available(find_archive, agent)
            handles = [archive.embedding] if archive and archive.embedding else []
            vectors = await query_vectors(handles, checked["query"])
            text = await in_database_when_available(
                search_archive, agent, vectors=vectors, **checked
            )
        except DomainError as error:
            return ToolResult(f"Error: {error}", is_error=True)
        return ToolResult(text)
