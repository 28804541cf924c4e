from django.contrib import admin, messages
from django.db.models import Q
from django.db.models.functions import Length

from ..models import Drift, IsolatedBlock
from .base import ConsoleAdmin, ReadOnly
from .bulk import report_on
from .display import badge, link
from .filters import DriftFilter


@admin.register(IsolatedBlock)
class IsolatedBlockAdmin(ReadOnly, ConsoleAdmin):
    """Every override of every conversation, with its drift. Edited on the conversation's page."""

    organization_path = "conversation__organization"
    ids = {"conversation": "conv", "block": "block", "conversation__agent": "agent"}
    list_display = ["label", "conversation_link", "agent_link", "drift_badge", "size", "created_at"]
    list_filter = [DriftFilter, "created_at"]
    list_select_related = ["conversation__agent", "block"]
    search_fields = ["label", "conversation__summary", "conversation__agent__name"]
    states = {
        "live": Q(conversation__deleted_at=None, conversation__agent__deleted_at=None),
        "deleted": Q(conversation__deleted_at__isnull=False)
        | Q(conversation__agent__deleted_at__isnull=False),
    }
    texts = ("base_value", "block__value", "block__description", "conversation__agent__system")
    ordering = ["-id"]
    fields = ["label", "conversation_link", "block_link", "drift_badge", "base_version"]
    fields += ["base_value", "isolated_value", "shared_value", "created_at"]
    readonly_fields = ["conversation_link", "block_link", "drift_badge", "isolated_value"]
    readonly_fields += ["shared_value"]

    actions = ["reset_selected", "rebase_selected"]

    def has_bulk_permission(self, request, obj=None):
        return request.user.has_perm("conversations.change_conversation")

    def lookup_allowed(self, lookup, value, request):
        # The agent's page links here.
        return lookup == "conversation__agent__id__exact" or super().lookup_allowed(
            lookup, value, request
        )

    @admin.action(description="Reset selected to the shared text…", permissions=["bulk"])
    def reset_selected(self, request, queryset):
        return self.in_bulk(request, queryset, "reset")

    @admin.action(description="Rebase selected on the shared text…", permissions=["bulk"])
    def rebase_selected(self, request, queryset):
        return self.in_bulk(request, queryset, "rebase")

    def in_bulk(self, request, queryset, verb):
        is_asked = "confirmed" not in request.POST
        report = report_on(queryset, verb, request, dry_run=is_asked)
        if is_asked:
            return self.confirmed(
                request,
                queryset,
                title=f"{verb.capitalize()} these isolated blocks?",
                explanation="Nothing was written yet. This is what would become of each.",
                context={"report": report},
            )
        counts = ", ".join(f"{number} {outcome}" for outcome, number in report.counts.items())
        self.message_user(request, f"{verb.capitalize()}: {counts}.", messages.SUCCESS)
        return None

    def get_queryset(self, request):
        rows = super().get_queryset(request).with_drift()
        return rows.annotate(characters=Length("block__value"))

    @admin.display(description="conversation")
    def conversation_link(self, isolation):
        return link(isolation.conversation)

    @admin.display(description="agent")
    def agent_link(self, isolation):
        return link(isolation.conversation.agent)

    @admin.display(description="block")
    def block_link(self, isolation):
        return link(isolation.block, isolation.block_id)

    @admin.display(description="drift", ordering="drift")
    def drift_badge(self, isolation):
        return badge(f"drift-{isolation.drift}", Drift(isolation.drift).label)

    @admin.display(description="characters", ordering="characters")
    def size(self, isolation):
        return f"{isolation.characters:,} / {isolation.block.limit:,}"

    @admin.display(description="isolated text")
    def isolated_value(self, isolation):
        return isolation.block.value

    @admin.display(description="shared text")
    def shared_value(self, isolation):
        return isolation.shared_value
