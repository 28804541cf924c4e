from drf_spectacular.utils import extend_schema
from rest_framework.response import Response
from rest_framework.views import APIView

from ...domain.errors import InvalidArgument, NotFound
from ...ids import is_id
from ...models import Run
from ..filters import matching_runs
from ..pagination import Order, page
from ..requests import read_query
from ..serializers.runs import ListRunsQuery, RunSerializer
from .lookups import runs_of


class RunList(APIView):
    @extend_schema(
        operation_id="runs_list", parameters=[ListRunsQuery], responses=RunSerializer(many=True)
    )
    def get(self, request):
        query = read_query(request, ListRunsQuery)
        ascending = query.get("ascending", query["order"] == "asc")
        found = page(
            matching_runs(runs_of(request), query),
            query,
            cursors=Run.objects.in_organization(request.auth.organization_id),
            prefix="run",
            order=Order("created_at", not ascending),
        )
        return Response(RunSerializer(found, many=True).data)


class RunDetail(APIView):
    @extend_schema(operation_id="runs_retrieve", responses=RunSerializer)
    def get(self, request, run_id):
        if not is_id("run", run_id):
            # Alone among the ids of paths, V1 answers 400 for this one.
            raise InvalidArgument(
                f"Invalid run ID format: {run_id!r}. Expected format: 'run-<uuid4>'"
            )
        run = runs_of(request).find(pk=run_id)
        if run is None:
            raise NotFound(f"Run not found with id='{run_id}'")
        return Response(RunSerializer(run).data)
