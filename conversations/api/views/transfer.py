"""Import and export agent files."""

import json

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request
from rest_framework.response import Response

from ...domain.actor import Source
from ...domain.errors import DomainError, InvalidArgument
from ...domain.model_handles import check_model_handle
from ...models import Scope
from ...transfer.agent_files.parse import MAX_BYTES, parse_agent_file
from ...transfer.agent_files.store import ImportOptions, import_agent_file
from ...transfer.agent_files.write import export_agent
from ..auth import actor_of, key_of
from ..http.parsers import FormParser
from ..http.validation import read_form, read_query
from ..http.warnings import warn
from ..schema import operation
from ..serializers.transfer import ExportQuery, ImportForm
from ..shapes.agents import ImportedAgentsJSON
from .base import ApiView
from .finders import agents_of, find, find_agent_conversation


class AgentFileParser(FormParser):
    """Parse a form with an agent file."""

    max_bytes = MAX_BYTES


class ImportAgentFile(ApiView):
    parser_classes = [AgentFileParser]

    @operation(
        "agents_import",
        OpenApiParameter(
            "X-Override-Embedding-Model",
            location=OpenApiParameter.HEADER,
            description="Oldest name of `embedding`.",
        ),
        scope=Scope.WRITE,
        body={"multipart/form-data": ImportForm},
        response=ImportedAgentsJSON,
    )
    def post(self, request: Request) -> HttpResponse:
        """Import an agent file."""
        form = read_form(request, ImportForm)
        name = form.get("name", form.get("override_name"))
        options = ImportOptions(
            name=name,
            suffix="_copy" if form["append_copy_suffix"] and name is None else "",
            model=form.get("model", form.get("override_model_handle")),
            embedding=form.get("embedding")
            or form.get("override_embedding_handle")
            or request.headers.get("X-Override-Embedding-Model"),
            with_messages=not form["strip_messages"],
            override_tools=form["override_existing_tools"],
            variables={**form.get("env_vars_json", {}), **form.get("secrets", {})},
        )
        file = parse_agent_file(form["file"].read())
        by = actor_of(request, Source.IMPORT)
        agents = import_agent_file(key_of(request).organization, file, by=by, options=options)
        for warning in file.warnings:
            warn(request, warning)
        for agent in agents:
            try:
                check_model_handle(agent.model)
            except DomainError:
                warn(
                    request,
                    f"{agent.pk}: no provider is configured for its model {agent.model!r}, so its "
                    "turns will fail; import it with `model`, or update the agent",
                )
        return Response({"agent_ids": [agent.pk for agent in agents]})


class ExportAgent(ApiView):
    @operation("agents_export", ExportQuery, scope=Scope.WRITE, response=OpenApiTypes.OBJECT)
    def get(self, request: Request, agent_id: str) -> HttpResponse:
        """Export an agent as an agent file."""
        query = read_query(request, ExportQuery)
        agent = find(agents_of(request), agent_id)
        if query["use_legacy_format"]:
            raise InvalidArgument(
                "use_legacy_format: the older format has no conversations; it can be imported, but "
                "not exported"
            )
        conversation = None
        if "conversation_id" in query:
            conversation = find_agent_conversation(request, agent, query["conversation_id"])
        document = export_agent(
            agent,
            by=actor_of(request),
            conversation=conversation,
            with_messages=not query["scrub_messages"],
            with_revisions=query["include_revisions"],
        )
        # Clients pass on the text unchanged, and people read it.
        text = json.dumps(document, indent=2, ensure_ascii=False)
        return HttpResponse(text, content_type="application/json")
