"""Archives, and attaching them to agents."""

from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from ...domain.archives.archives import (
    attach_archive,
    create_archive,
    delete_archive,
    detach_archive,
    update_archive,
)
from ...models import Archive, Scope
from ..auth import actor_of, key_of
from ..http.filters import matching_archives
from ..http.pagination import page
from ..http.validation import read_body, read_query
from ..schema import operation
from ..serializers.archives import CreateArchiveBody, ListArchivesQuery, UpdateArchiveBody
from ..shapes.archives import ArchiveJSON, archive_json
from .base import ApiView
from .finders import agents_of, archives_of, find


class ArchiveList(ApiView):
    @operation("archives_list", ListArchivesQuery, scope=Scope.READ, response=list[ArchiveJSON])
    def get(self, request: Request) -> HttpResponse:
        """List archives."""
        query = read_query(request, ListArchivesQuery)
        every = Archive.objects.in_organization(key_of(request).organization_id)
        found = page(matching_archives(every, query), query, cursors=every, prefix="archive")
        return Response([archive_json(row) for row in found])

    @operation("archives_create", scope=Scope.WRITE, body=CreateArchiveBody, response=ArchiveJSON)
    def post(self, request: Request) -> HttpResponse:
        """Create an archive."""
        fields = read_body(request, CreateArchiveBody)
        archive = create_archive(key_of(request).organization, by=actor_of(request), **fields)
        return Response(archive_json(archive))


class ArchiveDetail(ApiView):
    @operation("archives_retrieve", scope=Scope.READ, response=ArchiveJSON)
    def get(self, request: Request, archive_id: str) -> HttpResponse:
        """Retrieve an archive."""
        return Response(archive_json(find(archives_of(request), archive_id)))

    @operation("archives_update", scope=Scope.WRITE, body=UpdateArchiveBody, response=ArchiveJSON)
    def patch(self, request: Request, archive_id: str) -> HttpResponse:
        """Update an archive."""
        changes = read_body(request, UpdateArchiveBody)
        archive = find(archives_of(request), archive_id)
        return Response(archive_json(update_archive(archive, by=actor_of(request), **changes)))

    @operation("archives_delete", scope=Scope.WRITE, response=None)
    def delete(self, request: Request, archive_id: str) -> HttpResponse:
        """Delete an archive with its passages."""
        delete_archive(find(archives_of(request), archive_id), by=actor_of(request))
        return Response(status=204)


class AttachArchive(ApiView):
    @operation("agents_archives_attach", scope=Scope.WRITE)
    def patch(self, request: Request, agent_id: str, archive_id: str) -> HttpResponse:
        """Attach an archive to an agent, which can have one."""
        agent = find(agents_of(request), agent_id)
        attach_archive(agent, find(archives_of(request), archive_id))
        return Response(None)


class DetachArchive(ApiView):
    @operation("agents_archives_detach", scope=Scope.WRITE)
    def patch(self, request: Request, agent_id: str, archive_id: str) -> HttpResponse:
        """Detach an archive from an agent."""
        agent = find(agents_of(request), agent_id)
        detach_archive(agent, find(archives_of(request), archive_id))
        return Response(None)
