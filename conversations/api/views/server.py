"""The server itself: its health, its models and tags, and unknown routes."""

from typing import Any

from django.http import HttpResponse
from django.urls import Resolver404, resolve
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from ...llm.catalog import available_embedding_models, available_models
from ...models import Agent, Scope
from ...runtime.readiness import Readiness
from ..auth import key_of
from ..http.validation import Query, read_query
from ..schema import operation
from ..serializers.server import TagsQuery
from ..shapes.embeddings import EmbeddingModelJSON, embedding_model_json
from ..shapes.server import (
    ModelJSON,
    ReadyJSON,
    StatusJSON,
    health_json,
    model_json,
    ready_json,
)
from .base import ApiView


class Health(ApiView):
    authentication_classes = []
    permission_classes = []

    @operation("health", scope=None, response=StatusJSON)
    def get(self, request: Request) -> HttpResponse:
        """Return whether the process responds; no key is needed."""
        return Response(health_json())


class Ready(Health):
    @operation("ready", scope=None, response=ReadyJSON)
    def get(self, request: Request) -> HttpResponse:
        """Return whether the process can serve requests: 503 if not; no key is needed."""
        status, content = ready_json(Readiness().check())
        return Response(content, status=status)


class ModelList(ApiView):
    @operation("models_list", scope=Scope.READ, response=list[ModelJSON])
    def get(self, request: Request) -> HttpResponse:
        """List the available models."""
        return Response([model_json(row) for row in available_models()])


class EmbeddingModelList(ApiView):
    @operation("models_embeddings_list", scope=Scope.READ, response=list[EmbeddingModelJSON])
    def get(self, request: Request) -> HttpResponse:
        """List the available embedding models."""
        return Response([embedding_model_json(row) for row in available_embedding_models()])


class JobList(ApiView):
    @operation("jobs_list", scope=Scope.READ, response=list[str])
    def get(self, request: Request) -> HttpResponse:
        """List jobs: there are none, since every turn is a run."""
        return Response([])


class TagList(ApiView):
    @operation("tags_list", TagsQuery, scope=Scope.READ, response=list[str])
    def get(self, request: Request) -> HttpResponse:
        """List the tags of all agents in alphabetical order."""
        query = read_query(request, TagsQuery)
        agents = Agent.objects.in_organization(key_of(request).organization_id).live()
        return Response(_page(agents.tag_names(), query))


def _page(names: list[str], query: Query) -> list[str]:
    text = str(query.get("name", query.get("query_text", "")))
    names = [name for name in names if text.lower() in name.lower()]
    if query["order"] == "desc":
        names.reverse()
    ahead = str.__gt__ if query["order"] == "asc" else str.__lt__
    if "after" in query:
        names = [name for name in names if ahead(name, query["after"])]
    if "before" in query:
        names = [name for name in names if ahead(query["before"], name)]
        return names[: query["limit"]] if "after" in query else names[-query["limit"] :]
    return names[: query["limit"]]


class NotFoundView(ApiView):
    """Redirect to the route that differs only by its last slash, or respond with 404.

    The 307 keeps method, body and query, as V1's does. Callers without a key get 401, so they
    cannot find out which routes exist.
    """

    permission_classes = []
    schema = None  # type: ignore[assignment]  # excludes it from OpenAPI

    def _redirect(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            view = resolve(_other_spelling(request.path_info)).func
        except Resolver404:
            raise NotFound("Not Found") from None
        view_class = getattr(view, "view_class", None)
        if view_class in (None, NotFoundView) or not issubclass(view_class, ApiView):
            raise NotFound("Not Found")
        path, mark, query = request.get_full_path().partition("?")
        url = request.build_absolute_uri(f"{_other_spelling(path)}{mark}{query}")
        return HttpResponse(status=307, headers={"Location": url})

    get = post = put = patch = delete = _redirect


def _other_spelling(path: str) -> str:
    return path.removesuffix("/") if path.endswith("/") else f"{path}/"
