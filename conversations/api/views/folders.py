"""Folders and their files, and what agents have of them."""

from django.db.models import Count, Sum
from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from ...domain.errors import NotFound
from ...domain.folders.files import MAX_BYTES, Duplicate, delete_file, upload_file
from ...domain.folders.folders import (
    attach_folder,
    create_folder,
    delete_folder,
    detach_folder,
    update_folder,
)
from ...domain.folders.open_files import Opening, close_files, file_of_agent, open_files
from ...models import Agent, AgentFile, File, Folder, Passage, Scope
from ...runtime.runtime import get_runtime
from ..auth import actor_of, key_of
from ..http.pagination import Order, page
from ..http.parsers import FormParser
from ..http.validation import read_body, read_form, read_query
from ..schema import operation
from ..serializers.archives import ListPassagesQuery
from ..serializers.fields import PageQuery
from ..serializers.folders import (
    CreateFolderBody,
    FileQuery,
    ListAgentFilesQuery,
    ListFilesQuery,
    ListFoldersQuery,
    UpdateFolderBody,
    UploadForm,
    UploadQuery,
)
from ..shapes.archives import PassageJSON, passage_json
from ..shapes.folders import (
    AgentFilesJSON,
    FileJSON,
    FolderJSON,
    FolderMetadataJSON,
    agent_file_json,
    file_json,
    folder_json,
)
from .base import ApiView
from .finders import agents_of, find, folders_of


class FileFormParser(FormParser):
    """Parse a form with a file for a folder."""

    # With the parts of the form around the file.
    max_bytes = MAX_BYTES + 2**16


def find_file(request: Request, folder_id: str, file_id: str) -> File:
    """Return a file of a folder."""
    folder: Folder = find(folders_of(request), folder_id)
    rows = File.objects.of_folder(folder).select_related("folder")
    file: File = find(rows.with_progress(), file_id)
    return file


class FolderList(ApiView):
    @operation("folders_list", ListFoldersQuery, scope=Scope.READ, response=list[FolderJSON])
    def get(self, request: Request) -> HttpResponse:
        """List folders."""
        query = read_query(request, ListFoldersQuery)
        every = folders_of(request)
        rows = every.filter(name=query["name"]) if "name" in query else every
        found = page(rows, query, cursors=every, prefix="source")
        return Response([folder_json(folder) for folder in found])

    @operation("folders_create", scope=Scope.WRITE, body=CreateFolderBody, response=FolderJSON)
    def post(self, request: Request) -> HttpResponse:
        """Create a folder."""
        fields = read_body(request, CreateFolderBody)
        folder = create_folder(key_of(request).organization, by=actor_of(request), **fields)
        return Response(folder_json(folder))


class FolderCount(ApiView):
    @operation("folders_count", scope=Scope.READ, response=int)
    def get(self, request: Request) -> HttpResponse:
        """Count folders."""
        return Response(folders_of(request).count())


class FolderMetadata(ApiView):
    @operation("folders_metadata", scope=Scope.READ, response=FolderMetadataJSON)
    def get(self, request: Request) -> HttpResponse:
        """Count the files of each folder, and their bytes."""
        rows = folders_of(request).annotate(n=Count("files"), size=Sum("files__size", default=0))
        counts = rows.order_by("created_at").values_list("pk", "name", "n", "size")
        folders = [
            {"source_id": pk, "source_name": name, "file_count": count, "total_size": size}
            for pk, name, count, size in counts
        ]
        return Response(
            {
                "total_sources": len(folders),
                "total_files": sum(folder["file_count"] for folder in folders),
                "total_size": sum(folder["total_size"] for folder in folders),
                "sources": folders,
            }
        )


class FolderByName(ApiView):
    @operation("folders_retrieve_by_name", scope=Scope.READ, response=str)
    def get(self, request: Request, folder_name: str) -> HttpResponse:
        """Return the id of the folder with a name."""
        folder = folders_of(request).get_or_none(name=folder_name)
        if folder is None:
            raise NotFound(f"Source with name={folder_name} not found.")
        return Response(folder.pk)


class FolderDetail(ApiView):
    @operation("folders_retrieve", scope=Scope.READ, response=FolderJSON)
    def get(self, request: Request, folder_id: str) -> HttpResponse:
        """Retrieve a folder."""
        return Response(folder_json(find(folders_of(request), folder_id)))

    @operation("folders_update", scope=Scope.WRITE, body=UpdateFolderBody, response=FolderJSON)
    def patch(self, request: Request, folder_id: str) -> HttpResponse:
        """Update a folder."""
        changes = read_body(request, UpdateFolderBody)
        folder = find(folders_of(request), folder_id)
        return Response(folder_json(update_folder(folder, by=actor_of(request), **changes)))

    @operation("folders_delete", scope=Scope.WRITE)
    def delete(self, request: Request, folder_id: str) -> HttpResponse:
        """Delete a folder with its files. It can't be restored."""
        delete_folder(find(folders_of(request), folder_id), by=actor_of(request))
        return Response(None)


class UploadFile(ApiView):
    parser_classes = [FileFormParser]

    @operation(
        "folders_files_upload",
        UploadQuery,
        scope=Scope.WRITE,
        body={"multipart/form-data": UploadForm},
        response=FileJSON,
    )
    def post(self, request: Request, folder_id: str) -> HttpResponse:
        """Upload a file. A worker reads its text; `processing_status` says how far it is."""
        query = read_query(request, UploadQuery)
        folder: Folder = find(folders_of(request), folder_id)
        upload = read_form(request, UploadForm)["file"]
        file = upload_file(
            folder,
            upload.name or "",
            upload.read(),
            by=actor_of(request),
            media_type=upload.content_type or "",
            duplicate=Duplicate(query["duplicate_handling"]),
            custom_name=query.get("name"),
        )
        get_runtime().start_worker()
        return Response(file_json(file, name=f"{folder.name}/{file.name}"))


class FolderFiles(ApiView):
    @operation("folders_files_list", ListFilesQuery, scope=Scope.READ, response=list[FileJSON])
    def get(self, request: Request, folder_id: str) -> HttpResponse:
        """List the files of a folder."""
        query = read_query(request, ListFilesQuery)
        folder: Folder = find(folders_of(request), folder_id)
        every = File.objects.of_folder(folder)
        rows = every.with_progress()
        if query["include_content"]:
            rows = rows.defer(None).defer("upload")
        found = page(rows, query, cursors=every, prefix="file")
        return Response([file_json(file, with_content=query["include_content"]) for file in found])


class FileDetail(ApiView):
    @operation("folders_files_retrieve", FileQuery, scope=Scope.READ, response=FileJSON)
    def get(self, request: Request, folder_id: str, file_id: str) -> HttpResponse:
        """Retrieve a file."""
        query = read_query(request, FileQuery)
        file = find_file(request, folder_id, file_id)
        return Response(file_json(file, with_content=query["include_content"]))


class DeleteFile(ApiView):
    @operation("folders_files_delete", scope=Scope.WRITE, response=None)
    def delete(self, request: Request, folder_id: str, file_id: str) -> HttpResponse:
        """Delete a file with its chunks. It can't be restored."""
        delete_file(find_file(request, folder_id, file_id), by=actor_of(request))
        return Response(status=204)


class FolderPassages(ApiView):
    @operation(
        "folders_passages_list", ListPassagesQuery, scope=Scope.READ, response=list[PassageJSON]
    )
    def get(self, request: Request, folder_id: str) -> HttpResponse:
        """List the chunks of a folder's files."""
        query = read_query(request, ListPassagesQuery)
        folder: Folder = find(folders_of(request), folder_id)
        every = Passage.objects.of_folder(folder).select_related("archive")
        rows = every.containing(query["search"]) if "search" in query else every
        found = page(rows, query, cursors=every, prefix="passage")
        return Response([passage_json(passage) for passage in found])


class FolderAgents(ApiView):
    @operation("folders_agents_list", PageQuery, scope=Scope.READ, response=list[str])
    def get(self, request: Request, folder_id: str) -> HttpResponse:
        """List the ids of the agents to which a folder is attached."""
        query = read_query(request, PageQuery)
        folder: Folder = find(folders_of(request), folder_id)
        every = agents_of(request)
        rows = every.filter(folder_links__folder=folder)
        found = page(rows, query, cursors=every, prefix="agent")
        return Response([agent.pk for agent in found])


class AgentFolders(ApiView):
    @operation("agents_folders_list", PageQuery, scope=Scope.READ, response=list[FolderJSON])
    def get(self, request: Request, agent_id: str) -> HttpResponse:
        """List the folders of an agent."""
        query = read_query(request, PageQuery)
        agent: Agent = find(agents_of(request), agent_id)
        every = folders_of(request)
        rows = every.filter(agent_links__agent=agent)
        found = page(rows, query, cursors=every, prefix="source")
        return Response([folder_json(folder) for folder in found])


class AttachFolder(ApiView):
    @operation("agents_folders_attach", scope=Scope.WRITE)
    def patch(self, request: Request, agent_id: str, folder_id: str) -> HttpResponse:
        """Attach a folder to an agent, with the tools for files."""
        agent: Agent = find(agents_of(request), agent_id)
        attach_folder(agent, find(folders_of(request), folder_id), by=actor_of(request))
        return Response(None)


class DetachFolder(ApiView):
    @operation("agents_folders_detach", scope=Scope.WRITE)
    def patch(self, request: Request, agent_id: str, folder_id: str) -> HttpResponse:
        """Detach a folder from an agent."""
        agent: Agent = find(agents_of(request), agent_id)
        detach_folder(agent, find(folders_of(request), folder_id), by=actor_of(request))
        return Response(None)


class AgentFiles(ApiView):
    @operation("agents_files_list", ListAgentFilesQuery, scope=Scope.READ, response=AgentFilesJSON)
    def get(self, request: Request, agent_id: str) -> HttpResponse:
        """List the files of an agent, and what it reads of the open ones."""
        query = read_query(request, ListAgentFilesQuery)
        agent: Agent = find(agents_of(request), agent_id)
        every = AgentFile.objects.in_organization(key_of(request).organization_id)
        every = every.filter(agent=agent)
        rows = every.with_content()
        if "is_open" in query:
            rows = rows.filter(is_open=query["is_open"])
        limit = query["limit"]
        order = Order("accessed_at", query["order"] == "desc")
        asked = query | {"limit": limit + 1}
        found = page(rows, asked, cursors=every, prefix="file_agent", order=order)
        shown = found[:limit]
        return Response(
            {
                "files": [agent_file_json(agent, link) for link in shown],
                "next_cursor": shown[-1].pk if shown else None,
                "has_more": len(found) > limit,
            }
        )


class OpenFile(ApiView):
    @operation("agents_files_open", scope=Scope.WRITE, response=list[str])
    def patch(self, request: Request, agent_id: str, file_id: str) -> HttpResponse:
        """Open a file; return the names of the files that were closed for it."""
        agent: Agent = find(agents_of(request), agent_id)
        return Response(open_files(agent, [Opening(file_of_agent(agent, file_id))]))


class CloseFile(ApiView):
    @operation("agents_files_close", scope=Scope.WRITE, response=dict[str, str])
    def patch(self, request: Request, agent_id: str, file_id: str) -> HttpResponse:
        """Close a file."""
        agent: Agent = find(agents_of(request), agent_id)
        close_files(agent, [file_of_agent(agent, file_id)])
        return Response({"message": f"File id={file_id} successfully closed"})


class CloseAllFiles(ApiView):
    @operation("agents_files_close_all", scope=Scope.WRITE, response=list[str])
    def patch(self, request: Request, agent_id: str) -> HttpResponse:
        """Close all files of an agent; return their names."""
        return Response(close_files(find(agents_of(request), agent_id)))
