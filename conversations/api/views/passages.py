"""Passages: of an archive, of an agent's archive, and searching them."""

from collections.abc import Iterable, Sequence
from datetime import UTC, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from ...domain.archives.archives import find_archive
from ...domain.archives.embedding import store_result
from ...domain.archives.memory import MemoryFilter, search_memory
from ...domain.archives.passages import delete_passage, insert_for_agent, insert_passages
from ...domain.archives.search import FoundPassage, search_passages
from ...models import Agent, Passage, Scope
from ...runtime.embeddings import claim_inserted, embed_claimed, query_vectors
from ...runtime.runtime import get_runtime
from ..auth import actor_of, key_of
from ..http.pagination import page
from ..http.validation import read_body, read_query
from ..schema import operation
from ..serializers.archives import (
    ListPassagesQuery,
    PassageBody,
    PassagesBody,
    SearchMemoryQuery,
    SearchPassagesBody,
)
from ..shapes.archives import (
    DeletedPassageJSON,
    FoundMemoriesJSON,
    FoundPassageJSON,
    PassageJSON,
    found_memories_json,
    found_passages_json,
    passage_json,
)
from ..waiting import wait_for
from .base import ApiView
from .finders import agents_of, archives_of, find, passages_of

# A search in all archives uses the vectors of this many embedding models.
MAX_MODELS = 4


def embed_now(request: Request, passages: Sequence[Passage]) -> list[PassageJSON]:
    """Embed passages that were just stored; those whose model fails get their vectors later."""
    if claimed := claim_inserted(passages):
        result = wait_for(request, embed_claimed(claimed))
        store_result(result)
        for passage in passages:
            passage.embedding = result.vectors.get(passage.pk)
        if result.failed:
            get_runtime().start_worker()
    return [passage_json(passage, with_vector=True) for passage in passages]


def vectors_for(
    request: Request, handles: Iterable[str | None], query: str
) -> dict[str, list[float]]:
    """Return the vectors of a query by those of the embedding models that respond."""
    models = {handle for handle in handles if handle}
    return wait_for(request, query_vectors(models, query)) if models else {}


class ArchivePassages(ApiView):
    @operation(
        "archives_passages_create", scope=Scope.WRITE, body=PassageBody, response=PassageJSON
    )
    def post(self, request: Request, archive_id: str) -> HttpResponse:
        """Insert a passage into an archive."""
        fields: Any = read_body(request, PassageBody)
        archive = find(archives_of(request), archive_id)
        passages = insert_passages(archive, [fields], by=actor_of(request))
        return Response(embed_now(request, passages)[0])


class ArchivePassageBatch(ApiView):
    @operation(
        "archives_passages_create_many",
        scope=Scope.WRITE,
        body=PassagesBody,
        response=list[PassageJSON],
    )
    def post(self, request: Request, archive_id: str) -> HttpResponse:
        """Insert passages into an archive: all of them, or none."""
        body = read_body(request, PassagesBody)
        archive = find(archives_of(request), archive_id)
        passages = insert_passages(archive, body["passages"], by=actor_of(request))
        return Response(embed_now(request, passages))


class ArchivePassageDetail(ApiView):
    @operation("archives_passages_delete", scope=Scope.WRITE, response=None)
    def delete(self, request: Request, archive_id: str, passage_id: str) -> HttpResponse:
        """Delete a passage of an archive."""
        archive = find(archives_of(request), archive_id)
        passage = find(passages_of(request).filter(archive=archive), passage_id)
        delete_passage(passage, by=actor_of(request))
        return Response(status=204)


class AgentPassages(ApiView):
    @operation(
        "agents_passages_list", ListPassagesQuery, scope=Scope.READ, response=list[PassageJSON]
    )
    def get(self, request: Request, agent_id: str) -> HttpResponse:
        """List the passages of an agent's archive."""
        query = read_query(request, ListPassagesQuery)
        agent = find(agents_of(request), agent_id)
        every = Passage.objects.in_organization(key_of(request).organization_id)
        rows = every.live().of_agent(agent).select_related("archive")
        rows = rows.with_tags(query["tags"], match_all=query["tag_match_mode"] == "all")
        if "search" in query:
            rows = rows.containing(query["search"])
        if query["include_embedding"]:
            rows = rows.with_vectors()
        found = page(rows, query, cursors=every, prefix="passage")
        return Response(
            [passage_json(row, with_vector=query["include_embedding"]) for row in found]
        )

    @operation(
        "agents_passages_create", scope=Scope.WRITE, body=PassageBody, response=list[PassageJSON]
    )
    def post(self, request: Request, agent_id: str) -> HttpResponse:
        """Insert a passage into an agent's archive, which is created if there is none."""
        fields: Any = read_body(request, PassageBody)
        agent = find(agents_of(request), agent_id)
        passage = insert_for_agent(agent, fields, by=actor_of(request))
        return Response(embed_now(request, [passage]))


class AgentPassageDetail(ApiView):
    @operation("agents_passages_delete", scope=Scope.WRITE, response=DeletedPassageJSON)
    def delete(self, request: Request, agent_id: str, passage_id: str) -> HttpResponse:
        """Delete a passage of an agent's archive."""
        agent = find(agents_of(request), agent_id)
        delete_passage(find(passages_of(request).of_agent(agent), passage_id), by=actor_of(request))
        return Response({"message": f"Memory id={passage_id} successfully deleted"})


class AgentPassageSearch(ApiView):
    @operation(
        "agents_passages_search", SearchMemoryQuery, scope=Scope.READ, response=FoundMemoriesJSON
    )
    def get(self, request: Request, agent_id: str) -> HttpResponse:
        """Search an agent's archive, as the tool `archival_memory_search` does."""
        query = read_query(request, SearchMemoryQuery)
        agent = find(agents_of(request), agent_id)
        archive = find_archive(agent)
        if archive is None:
            return Response(found_memories_json([]))
        found = search_memory(
            agent,
            archive,
            query["query"],
            where=MemoryFilter(
                query["tags"],
                query["tag_match_mode"] == "all",
                query.get("start_datetime"),
                query.get("end_datetime"),
            ),
            limit=query["top_k"],
            vectors=vectors_for(request, [archive.embedding], query["query"]),
        )
        return Response(found_memories_json(found))


class PassageSearch(ApiView):
    @operation(
        "passages_search",
        scope=Scope.READ,
        body=SearchPassagesBody,
        response=list[FoundPassageJSON],
    )
    def post(self, request: Request) -> HttpResponse:
        """Search the passages of an agent, an archive or the whole organization."""
        body = read_body(request, SearchPassagesBody)
        archives = archives_of(request)
        zone: tzinfo = UTC
        if agent_id := body.get("agent_id"):
            agent: Agent = find(agents_of(request), agent_id)
            zone = ZoneInfo(agent.timezone)
            archives = archives.filter(agent_links__agent=agent)
        if archive_id := body.get("archive_id"):
            archives = archives.filter(pk=find(archives_of(request), archive_id).pk)
        rows = passages_of(request)
        archive = None
        if agent_id or archive_id:
            archive = archives.first()
            rows = rows.filter(archive=archive) if archive else rows.none()
        where = MemoryFilter(
            body.get("tags") or [],
            body["tag_match_mode"] == "all",
            body.get("start_date"),
            body.get("end_date"),
        )
        rows = where.matching(rows, zone, suffix="date")
        query, limit = body.get("query") or "", body["limit"]
        if not query:
            newest = rows.select_related("archive").order_by("-created_at", "-id")[:limit]
            found = [FoundPassage(passage, 0.0) for passage in newest]
        else:
            handles = archives.order_by().values_list("embedding", flat=True).distinct()
            found = search_passages(
                rows,
                query,
                limit=limit,
                vectors=vectors_for(request, handles[:MAX_MODELS], query),
                archive_id=archive.pk if archive else None,
            )
        return Response(found_passages_json(found))
