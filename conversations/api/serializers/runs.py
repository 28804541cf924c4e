from rest_framework import serializers

from ...models import Run
from ..pagination import PageQuery
from .fields import Choice, Flag, Id, Repeated, Text, WholeNumber


class RunSerializer(serializers.Serializer):
    """A run as the client's `Run` type reads it."""

    id = serializers.CharField()
    status = serializers.ChoiceField(Run.Status.values)
    agent_id = serializers.CharField()
    conversation_id = serializers.CharField()
    background = serializers.BooleanField()
    metadata = serializers.DictField()
    request_config = serializers.DictField()
    stop_reason = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField()
    completed_at = serializers.CharField(allow_null=True, help_text="UTC, without a zone, as V1.")
    ttft_ns = serializers.IntegerField(allow_null=True)
    total_duration_ns = serializers.IntegerField(allow_null=True)
    base_template_id = serializers.CharField(allow_null=True)
    callback_url = serializers.CharField(allow_null=True)
    callback_sent_at = serializers.DateTimeField(allow_null=True)
    callback_status_code = serializers.IntegerField(allow_null=True)
    callback_error = serializers.CharField(allow_null=True)

    def to_representation(self, run):
        completed_at = run.completed_at
        return {
            "id": run.pk,
            "status": run.status,
            "agent_id": run.agent_id,
            "conversation_id": run.conversation_id,
            "background": run.background,
            "metadata": run.metadata,
            "request_config": run.request_config,
            "stop_reason": run.stop_reason,
            "created_at": run.created_at,
            "completed_at": completed_at and completed_at.replace(tzinfo=None).isoformat(),
            "ttft_ns": run.ttft_ns,
            "total_duration_ns": run.total_duration_ns,
            "base_template_id": None,
            "callback_url": None,
            "callback_sent_at": None,
            "callback_status_code": None,
            "callback_error": None,
        }


class ListRunsQuery(PageQuery):
    """The query of GET /v1/runs/."""

    limit = WholeNumber(default=100, min_value=1, max_value=1000)
    agent_id = Id("agent", required=False)
    agent_ids = Repeated(child=Id("agent"), default=list)
    conversation_id = Id("conv", required=False)
    statuses = Repeated(child=Choice(Run.Status.values), default=list)
    active = Flag(default=False)
    background = Flag(required=False)
    stop_reason = Text(required=False)
    ascending = Flag(required=False, help_text="The older name of `order`.")
