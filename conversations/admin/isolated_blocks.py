"""The list of isolated blocks of all conversations; their texts are edited on a conversation."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import F
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString

from ..models import Drift, IsolatedBlock
from .base import ConsoleAdmin, ReadOnly
from .bulk import apply_in_bulk
from .display import badge, link_to
from .filters import DriftFilter, live_or_deleted


@admin.register(IsolatedBlock)
class IsolatedBlockAdmin(ReadOnly, ConsoleAdmin):
    """Isolated blocks with their drift; reset and rebased in bulk."""

    organization_path = "conversation__organization"
    ids = {"conversation": "conv", "block": "block", "conversation__agent": "agent"}
    list_display = ["label", "conversation_link", "agent_link", "drift_badge", "size", "created_at"]
    list_filter = [DriftFilter, "created_at"]
    list_select_related = ["conversation__agent", "block"]
    search_fields = ["label", "conversation__summary", "conversation__agent__name"]
    states = live_or_deleted("conversation", "conversation__agent")
    deferred = ("base_value", "block__value", "block__description", "conversation__agent__system")
    ordering = ["-id"]
    fields = [
        *("label", "conversation_link", "block_link", "drift_badge", "base_version"),
        *("base_value", "isolated_value", "shared_value", "created_at"),
    ]
    readonly_fields = [
        *("conversation_link", "block_link", "drift_badge", "isolated_value", "shared_value")
    ]
    actions = ["reset_selected", "rebase_selected"]

    def has_bulk_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether the operator may change conversations."""
        return request.user.has_perm("conversations.change_conversation")

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        # An agent's page links to the list filtered by agent.
        return lookup == "conversation__agent__id__exact" or super().lookup_allowed(
            lookup, value, request
        )

    @admin.action(description="Reset selected to the shared text…", permissions=["bulk"])
    def reset_selected(self, request: HttpRequest, queryset: Any) -> HttpResponse | None:
        """Reset isolated blocks."""
        return self.apply_in_bulk(request, queryset, "reset")

    @admin.action(description="Rebase selected on the shared text…", permissions=["bulk"])
    def rebase_selected(self, request: HttpRequest, queryset: Any) -> HttpResponse | None:
        """Rebase isolated blocks."""
        return self.apply_in_bulk(request, queryset, "rebase")

    def apply_in_bulk(self, request: HttpRequest, queryset: Any, verb: str) -> HttpResponse | None:
        """Confirm a verb with a dry run, then apply it."""
        is_confirmed = "confirmed" in request.POST
        report = apply_in_bulk(queryset, verb, request, dry_run=not is_confirmed)
        if not is_confirmed:
            return self.confirm(
                request,
                queryset,
                title=f"{verb.capitalize()} these isolated blocks?",
                explanation="Preview: nothing has been changed yet.",
                report=report,
            )
        self.message_user(request, f"{verb.capitalize()}: {report}.", messages.SUCCESS)
        return None

    def get_queryset(self, request: HttpRequest) -> Any:
        rows: Any = super().get_queryset(request)
        return rows.with_drift().annotate(characters=F("block__characters"))

    conversation_link = link_to("conversation")
    agent_link = link_to("conversation.agent")
    block_link = link_to("block", text="block_id")

    @admin.display(description="drift", ordering="drift")
    def drift_badge(self, isolated: Any) -> SafeString:
        return badge(f"drift-{isolated.drift}", str(Drift(isolated.drift).label))

    @admin.display(description="characters", ordering="characters")
    def size(self, isolated: Any) -> str:
        return f"{isolated.characters:,} / {isolated.block.limit:,}"

    @admin.display(description="isolated text")
    def isolated_value(self, isolated: IsolatedBlock) -> str:
        return isolated.block.value

    @admin.display(description="shared text")
    def shared_value(self, isolated: Any) -> Any:
        return isolated.shared_value
