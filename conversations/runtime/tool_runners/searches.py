"""The runners of tools that search by meaning, which need the vector of the query."""

from collections.abc import Callable
from typing import Any

from ...domain.archives.archives import find_archive
from ...domain.errors import DomainError
from ...domain.tools.archival import search_archive
from ...domain.tools.execution import ToolResult, checked_arguments
from ...domain.tools.files import embedding_models_of_files, search_files
from ...models import Agent, Tool
from ..database import in_database_when_available
from ..embeddings import query_vectors
from .runner import CallContext


class Search:
    """Searches what an agent has stored, by words and by meaning.

    It does not find what another call of the same reply stores.

    Args:
        embedding_models: Returns the handles of the models that made the vectors.
        search: Returns the result; it takes the agent, `vectors` of the query by model, and the
            arguments of the tool.
    """

    def __init__(
        self, embedding_models: Callable[[Agent], list[str]], search: Callable[..., str]
    ) -> None:
        self._embedding_models, self._search = embedding_models, search

    async def run(self, tool: Tool, arguments: dict[str, Any], context: CallContext) -> ToolResult:
        """Run one call."""
        agent = context.agent
        try:
            checked = checked_arguments(tool.name, arguments)
            handles = await in_database_when_available(self._embedding_models, agent)
            vectors = await query_vectors(handles, checked["query"])
            text = await in_database_when_available(self._search, agent, vectors=vectors, **checked)
        except DomainError as error:
            return ToolResult(f"Error: {error}", is_error=True)
        return ToolResult(text)


def _embedding_model_of_archive(agent: Agent) -> list[str]:
    archive = find_archive(agent)
    return [archive.embedding] if archive and archive.embedding else []


ARCHIVAL_SEARCH = Search(_embedding_model_of_archive, search_archive)
FILE_SEARCH = Search(embedding_models_of_files, search_files)
