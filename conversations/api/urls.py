"""Every route of the API, spelled as V1's clients spell it; include it under any prefix.

Collections end in a slash and nothing else does; `NotFoundView` redirects the other spelling.
"""

from django.urls import path, re_path

from . import converters  # noqa: F401 (registers the converters used below)
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
    path(
        "conversations/<conversation_id:conversation_id>",
        conversations.ConversationDetail.as_view(),
    ),
    path(
        "conversations/<conversation_id:conversation_id>/blocks",
        isolated_blocks.ConversationBlocks.as_view(),
    ),
    # A label may contain slashes, so the routes with an ending come before the label alone.
    path(
        "conversations/<conversation_id:conversation_id>/isolated-blocks/<block_label:label>/diff",
        isolated_blocks.CompareIsolatedBlock.as_view(),
    ),
    path(
        "conversations/<conversation_id:conversation_id>/isolated-blocks/<block_label:label>/promote",
        isolated_blocks.PromoteIsolatedBlock.as_view(),
    ),
    path(
        "conversations/<conversation_id:conversation_id>/isolated-blocks/<block_label:label>/reset",
        isolated_blocks.ResetIsolatedBlock.as_view(),
    ),
    path(
        "conversations/<conversation_id:conversation_id>/isolated-blocks/<block_label:label>/rebase",
        isolated_blocks.RebaseIsolatedBlock.as_view(),
    ),
    path(
        "conversations/<conversation_id:conversation_id>/isolated-blocks/<block_label:label>/released",
        isolated_blocks.ReleasedBlocks.as_view(),
    ),
    path(
        "conversations/<conversation_id:conversation_id>/isolated-blocks/<block_label:label>/restore",
        isolated_blocks.RestoreIsolatedBlock.as_view(),
    ),
    path(
        "conversations/<conversation_id:conversation_id>/isolated-blocks/<block_label:label>",
        isolated_blocks.IsolatedBlockDetail.as_view(),
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
        "conversations/<conversation_id:conversation_id>/restore",
        conversations.RestoreConversation.as_view(),
    ),
    path("blocks/", blocks.BlockList.as_view()),
    path("blocks/count", blocks.BlockCount.as_view()),
    path("blocks/<block_id:block_id>", blocks.BlockDetail.as_view()),
    path("blocks/<block_id:block_id>/agents", blocks.BlockAgents.as_view()),
    path("blocks/<block_id:block_id>/revisions", history.RevisionList.as_view()),
    path("blocks/<block_id:block_id>/diff", history.BlockChange.as_view()),
    path("blocks/<block_id:block_id>/undo", history.UndoBlock.as_view()),
    path("blocks/<block_id:block_id>/redo", history.RedoBlock.as_view()),
    path("blocks/<block_id:block_id>/restore", history.RestoreBlock.as_view()),
    path("agents/", agents.AgentList.as_view()),
    path("agents/count", agents.AgentCount.as_view()),
    path("agents/import", transfer.ImportAgentFile.as_view()),
    path("agents/<agent_id:agent_id>", agents.AgentDetail.as_view()),
    path(
        "agents/<agent_id:agent_id>/isolated-blocks/<block_label:label>/reset",
        bulk.ResetIsolatedBlocks.as_view(),
    ),
    path(
        "agents/<agent_id:agent_id>/isolated-blocks/<block_label:label>/rebase",
        bulk.RebaseIsolatedBlocks.as_view(),
    ),
    path("agents/<agent_id:agent_id>/export", transfer.ExportAgent.as_view()),
    path("agents/<agent_id:agent_id>/context", agents.AgentContext.as_view()),
    path("agents/<agent_id:agent_id>/messages", turns.SendToAgent.as_view()),
    path("agents/<agent_id:agent_id>/messages/stream", turns.StreamFromAgent.as_view()),
    path("agents/<agent_id:agent_id>/messages/async", turns.SendToAgentAsync.as_view()),
    path("agents/<agent_id:agent_id>/messages/cancel", turns.CancelAgent.as_view()),
    path(
        "agents/<agent_id:agent_id>/tools/approval/<str:tool_name>", agents.ToolApproval.as_view()
    ),
    path("agents/<agent_id:agent_id>/reset-messages", agents.ResetMessages.as_view()),
    path("agents/<agent_id:agent_id>/summarize", turns.CompactAgent.as_view()),
    path("agents/<agent_id:agent_id>/recompile", agents.RecompileAgent.as_view()),
    # An older name of the route above.
    path(
        "agents/<agent_id:agent_id>/system-prompt/recompile",
        agents.RecompileAgent.as_view(schema=None),
    ),
    path("agents/<agent_id:agent_id>/core-memory", core_memory.CoreMemory.as_view()),
    path("agents/<agent_id:agent_id>/core-memory/blocks", core_memory.AgentBlockList.as_view()),
    path(
        "agents/<agent_id:agent_id>/core-memory/blocks/attach/<block_id:block_id>",
        core_memory.AttachBlock.as_view(),
    ),
    path(
        "agents/<agent_id:agent_id>/core-memory/blocks/detach/<block_id:block_id>",
        core_memory.DetachBlock.as_view(),
    ),
    path(
        "agents/<agent_id:agent_id>/core-memory/blocks/<block_label:label>",
        core_memory.AgentBlockDetail.as_view(),
    ),
    path("messages/", messages.MessageList.as_view()),
    path("messages/search", messages.MessageSearch.as_view()),
    path("messages/<message_id:message_id>", messages.MessageDetail.as_view()),
    path("runs/", runs.RunList.as_view()),
    path("runs/<run_id:run_id>", runs.RunDetail.as_view()),
    path("runs/<run_id:run_id>/cancel", turns.CancelRun.as_view()),
    path("runs/<run_id:run_id>/messages", runs.RunMessages.as_view()),
    path("runs/<run_id:run_id>/metrics", runs.RunMetrics.as_view()),
    path("runs/<run_id:run_id>/steps", runs.RunSteps.as_view()),
    path("runs/<run_id:run_id>/stream", turns.StreamRun.as_view()),
    path("runs/<run_id:run_id>/usage", runs.RunUsage.as_view()),
    path("steps/", runs.StepList.as_view()),
    path("steps/<step_id:step_id>", runs.StepDetail.as_view()),
    path("steps/<step_id:step_id>/messages", runs.StepMessages.as_view()),
    path("tags/", server.TagList.as_view()),
    path("models/", server.ModelList.as_view()),
    path("health/", server.Health.as_view()),
    path("ready/", server.Ready.as_view()),
    # Probes have no key, so a redirect to the other spelling would be a 401.
    path("health", server.Health.as_view(schema=None)),
    path("ready", server.Ready.as_view(schema=None)),
    re_path(r"^.*$", server.NotFoundView.as_view()),
]
