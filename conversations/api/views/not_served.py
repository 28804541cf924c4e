"""Routes of V1 that this server does not serve; docs/compatibility.md lists them.

They respond with 501 and a sentence, so that a caller can tell them from a mistyped URL.
"""

from typing import Any

from django.urls import URLPattern, re_path
from rest_framework.request import Request
from rest_framework.response import Response

from ...ids import is_id
from ...models import Agent
from ..http.errors import NotServed
from ..http.warnings import warn
from ..shapes.agents import group_json
from .base import ApiView
from .finders import agents_of, find

GROUPS = "there are no groups of agents and no sleeptime agents; each agent runs on its own"
# By the beginning of the path, a regular expression.
REASONS = {
    "groups": GROUPS,
    "agents/[^/]+/groups": GROUPS,
    "messages/batches": "there are no batches; send each request to …/messages/async",
    "templates": "there are no templates; export and import agent files instead",
    "client-side-access-tokens": "keys are created at /v1/api-keys/",
    "agents/[^/]+/schedule": "nothing is scheduled here; call the server from a scheduler",
    "environments": "there are no environments",
    "sandbox-config": "the operator configures how tools run, in the server's settings",
    "telemetry": "there is no telemetry; GET /v1/steps/{step_id}/trace has what a model was sent",
    "chat/completions": "send messages to /v1/conversations/{conversation_id}/messages instead",
    "voice-beta": "there is no voice; send messages to a conversation instead",
    "admin": "organizations, members and keys are managed in the console or by manage.py",
}


class NotServedView(ApiView):
    """Refuse any request of an authenticated caller with 501."""

    permission_classes = []
    reason = ""

    def _refuse(self, request: Request, **kwargs: Any) -> Response:
        raise NotServed(f"Not served: {self.reason}")

    get = post = put = patch = delete = _refuse


class SleeptimeGroup(NotServedView):
    """The group of an agent that was created with `enable_sleeptime`, which is empty."""

    reason = GROUPS

    def patch(self, request: Request, **kwargs: Any) -> Response:
        """Return the group unchanged: programs set its frequency after creating the agent."""
        group_id = str(kwargs["group_id"])
        agent_id = group_id.replace("group-", "agent-", 1)
        if not (group_id.startswith("group-") and is_id("agent", agent_id)):
            raise NotServed(f"Not served: {GROUPS}")
        agent: Agent = find(agents_of(request), agent_id)
        warn(request, f"nothing was changed: {GROUPS}")
        return Response(group_json(agent))


urlpatterns: list[URLPattern] = [
    re_path(r"^groups/(?P<group_id>[^/]+)$", SleeptimeGroup.as_view(schema=None)),
    *(
        re_path(rf"^{beginning}(?:/[\s\S]*)?$", NotServedView.as_view(schema=None, reason=reason))
        for beginning, reason in REASONS.items()
    ),
]
