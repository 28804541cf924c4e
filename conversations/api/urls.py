"""Every route, spelled as the client spells it: collections end in a slash, nothing else does."""

from django.urls import path, re_path

from .views import (
    agents,
    blocks,
    bulk,
    conversations,
    core_memory,
    history,
    isolated_blocks,
    messages,
    runs,
    server,
    transfer,
    turns,
)

urlpatterns = [
    path("conversations/", conversations.ConversationList.as_view()),
    path("conversations/<str:conversation_id>", conversations.ConversationDetail.as_view()),
    path(
        "conversations/<str:conversation_id>/blocks", isolated_blocks.ConversationBlocks.as_view()
    ),
    # Labels may hold slashes, so what follows one comes before the label alone.
    *(
        path(
            f"conversations/<str:conversation_id>/isolated-blocks/<path:label>{ending}",
            view.as_view(),
        )
        for ending, view in (
            ("/diff", isolated_blocks.CompareIsolatedBlock),
            ("/promote", isolated_blocks.PromoteIsolatedBlock),
            ("/reset", isolated_blocks.ResetIsolatedBlock),
            ("/rebase", isolated_blocks.RebaseIsolatedBlock),
            ("/released", isolated_blocks.ReleasedBlocks),
            ("/restore", isolated_blocks.RestoreIsolatedBlock),
            ("", isolated_blocks.IsolatedBlockDetail),
        )
    ),
    path("conversations/<str:conversation_id>/fork", conversations.ForkConversation.as_view()),
    path("conversations/<str:conversation_id>/messages", turns.SendToConversation.as_view()),
    path(
        "conversations/<str:conversation_id>/messages/preview-raw-payload",
        turns.PreviewRequest.as_view(),
    ),
    path("conversations/<str:conversation_id>/stream", turns.StreamConversation.as_view()),
    path("conversations/<str:conversation_id>/cancel", turns.CancelConversation.as_view()),
    path("conversations/<str:conversation_id>/compact", turns.CompactConversation.as_view()),
    path(
        "conversations/<str:conversation_id>/recompile",
        conversations.RecompileConversation.as_view(),
    ),
    path(
        "conversations/<str:conversation_id>/restore", conversations.RestoreConversation.as_view()
    ),
    path("blocks/", blocks.BlockList.as_view()),
    path("blocks/count", blocks.BlockCount.as_view()),
    path("blocks/<str:block_id>", blocks.BlockDetail.as_view()),
    path("blocks/<str:block_id>/agents", blocks.BlockAgents.as_view()),
    path("blocks/<str:block_id>/revisions", history.RevisionList.as_view()),
    path("blocks/<str:block_id>/diff", history.BlockChange.as_view()),
    path("blocks/<str:block_id>/undo", history.UndoBlock.as_view()),
    path("blocks/<str:block_id>/redo", history.RedoBlock.as_view()),
    path("blocks/<str:block_id>/restore", history.RestoreBlock.as_view()),
    path("agents/", agents.AgentList.as_view()),
    path("agents/count", agents.AgentCount.as_view()),
    path("agents/import", transfer.ImportAgentFile.as_view()),
    path("agents/<str:agent_id>", agents.AgentDetail.as_view()),
    # Labels may hold slashes.
    path(
        "agents/<str:agent_id>/isolated-blocks/<path:label>/reset",
        bulk.ResetIsolatedBlocks.as_view(),
    ),
    path(
        "agents/<str:agent_id>/isolated-blocks/<path:label>/rebase",
        bulk.RebaseIsolatedBlocks.as_view(),
    ),
    path("agents/<str:agent_id>/export", transfer.ExportAgent.as_view()),
    path("agents/<str:agent_id>/context", agents.AgentContext.as_view()),
    path("agents/<str:agent_id>/messages", turns.SendToAgent.as_view()),
    path("agents/<str:agent_id>/messages/stream", turns.StreamFromAgent.as_view()),
    path("agents/<str:agent_id>/messages/async", turns.SendToAgentAsync.as_view()),
    path("agents/<str:agent_id>/messages/cancel", turns.CancelAgent.as_view()),
    path("agents/<str:agent_id>/tools/approval/<str:tool_name>", agents.ToolApproval.as_view()),
    path("agents/<str:agent_id>/reset-messages", agents.ResetMessages.as_view()),
    path("agents/<str:agent_id>/summarize", turns.CompactAgent.as_view()),
    path("agents/<str:agent_id>/recompile", agents.RecompileAgent.as_view()),
    # The older spelling of the one above.
    path(
        "agents/<str:agent_id>/system-prompt/recompile",
        agents.RecompileAgent.as_view(schema=None),
    ),
    path("agents/<str:agent_id>/core-memory", core_memory.CoreMemory.as_view()),
    path("agents/<str:agent_id>/core-memory/blocks", core_memory.AgentBlockList.as_view()),
    path(
        "agents/<str:agent_id>/core-memory/blocks/attach/<str:block_id>",
        core_memory.AttachBlock.as_view(),
    ),
    path(
        "agents/<str:agent_id>/core-memory/blocks/detach/<str:block_id>",
        core_memory.DetachBlock.as_view(),
    ),
    # Labels may hold slashes.
    path(
        "agents/<str:agent_id>/core-memory/blocks/<path:label>",
        core_memory.AgentBlockDetail.as_view(),
    ),
    path("messages/", messages.MessageList.as_view()),
    path("messages/search", messages.MessageSearch.as_view()),
    path("messages/<str:message_id>", messages.MessageDetail.as_view()),
    path("runs/", runs.RunList.as_view()),
    path("runs/<str:run_id>", runs.RunDetail.as_view()),
    path("runs/<str:run_id>/cancel", turns.CancelRun.as_view()),
    path("runs/<str:run_id>/messages", runs.RunMessages.as_view()),
    path("runs/<str:run_id>/metrics", runs.RunMetrics.as_view()),
    path("runs/<str:run_id>/steps", runs.RunSteps.as_view()),
    path("runs/<str:run_id>/stream", turns.StreamRun.as_view()),
    path("runs/<str:run_id>/usage", runs.RunUsage.as_view()),
    path("steps/", runs.StepList.as_view()),
    path("steps/<str:step_id>", runs.StepDetail.as_view()),
    path("steps/<str:step_id>/messages", runs.StepMessages.as_view()),
    path("tags/", server.TagList.as_view()),
    path("models/", server.ModelList.as_view()),
    path("health/", server.Health.as_view()),
    path("ready/", server.Ready.as_view()),
    # Probes have no key, without which the other spelling of a route is a 401.
    path("health", server.Health.as_view(schema=None)),
    path("ready", server.Ready.as_view(schema=None)),
    re_path(r"^.*$", server.NotFoundView.as_view()),
]
