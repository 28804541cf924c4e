"""Every route of the API, spelled as V1's clients spell it; include it under any prefix.

Collections end in a slash and nothing else does; `NotFoundView` redirects the other spelling.
"""

from typing import Any

from django.urls import URLPattern, path, re_path

from . import converters  # noqa: F401 (registers the converters used below)
from .views import (
    accounts,
    agents,
    archives,
    blocks,
    conversations,
    core_memory,
    folders,
    history,
    identities,
    isolated_blocks,
    mcp_servers,
    messages,
    passages,
    quotas,
    runs,
    server,
    tools,
    transfer,
    turns,
)
from .views.not_served import urlpatterns as not_served

# The prefix of the routes below one row.
CONVERSATION = "conversations/<conversation_id:conversation_id>"
# Also `default`, or an agent's id for its default conversation.
ANY_CONVERSATION = "conversations/<str:conversation_id>"
IDENTITY = "identities/<identity_id:identity_id>"
ISOLATED_BLOCK = f"{CONVERSATION}/isolated-blocks/<block_label:label>"
BLOCK = "blocks/<block_id:block_id>"
AGENT = "agents/<agent_id:agent_id>"
AGENT_ISOLATED_BLOCKS = f"{AGENT}/isolated-blocks/<block_label:label>"
AGENT_BLOCKS = f"{AGENT}/core-memory/blocks"
API_KEY = "api-keys/<api_key_id:api_key_id>"
ARCHIVE = "archives/<archive_id:archive_id>"
ARCHIVAL_MEMORY = f"{AGENT}/archival-memory"
MCP_SERVER = "mcp-servers/<mcp_server_id:mcp_server_id>"
RUN = "runs/<run_id:run_id>"


def folder_routes(name: str, **initkwargs: Any) -> list[URLPattern]:
    """Return the routes of folders under one of V1's names for them."""
    folder = f"{name}/<folder_id:folder_id>"
    of_agent = f"{AGENT}/{name}"
    views = {
        f"{name}/": folders.FolderList,
        f"{name}/count": folders.FolderCount,
        f"{name}/metadata": folders.FolderMetadata,
        f"{name}/name/<str:folder_name>": folders.FolderByName,
        folder: folders.FolderDetail,
        f"{folder}/upload": folders.UploadFile,
        f"{folder}/files": folders.FolderFiles,
        f"{folder}/files/<file_id:file_id>": folders.FileDetail,
        f"{folder}/passages": folders.FolderPassages,
        f"{folder}/agents": folders.FolderAgents,
        f"{folder}/<file_id:file_id>": folders.DeleteFile,
        of_agent: folders.AgentFolders,
        f"{of_agent}/attach/<folder_id:folder_id>": folders.AttachFolder,
        f"{of_agent}/detach/<folder_id:folder_id>": folders.DetachFolder,
    }
    return [path(route, view.as_view(**initkwargs)) for route, view in views.items()]


urlpatterns = [
    # First, so that no other route reads a part of them as an id.
    *not_served,
    path("conversations/", conversations.ConversationList.as_view()),
    path(CONVERSATION, conversations.ConversationDetail.as_view()),
    path(f"{CONVERSATION}/blocks", isolated_blocks.ConversationBlocks.as_view()),
    # A label may contain slashes, so the routes with an ending come before the label alone. In a
    # label that is encoded as `x%2Fdiff`, `diff` is no ending (`http/paths.py`).
    path(f"{ISOLATED_BLOCK}/diff", isolated_blocks.CompareIsolatedBlock.as_view()),
    path(f"{ISOLATED_BLOCK}/promote", isolated_blocks.PromoteIsolatedBlock.as_view()),
    path(f"{ISOLATED_BLOCK}/reset", isolated_blocks.ResetIsolatedBlock.as_view()),
    path(f"{ISOLATED_BLOCK}/rebase", isolated_blocks.RebaseIsolatedBlock.as_view()),
    path(f"{ISOLATED_BLOCK}/released", isolated_blocks.ReleasedBlocks.as_view()),
    path(f"{ISOLATED_BLOCK}/restore", isolated_blocks.RestoreIsolatedBlock.as_view()),
    path(ISOLATED_BLOCK, isolated_blocks.IsolatedBlockDetail.as_view()),
    path(f"{ANY_CONVERSATION}/fork", conversations.ForkConversation.as_view()),
    path(f"{ANY_CONVERSATION}/messages", turns.SendToConversation.as_view()),
    path(f"{ANY_CONVERSATION}/messages/preview-raw-payload", turns.PreviewRequest.as_view()),
    path(f"{ANY_CONVERSATION}/stream", turns.StreamConversation.as_view()),
    path(f"{ANY_CONVERSATION}/cancel", turns.CancelConversation.as_view()),
    path(f"{ANY_CONVERSATION}/compact", turns.CompactConversation.as_view()),
    path(f"{ANY_CONVERSATION}/recompile", conversations.RecompileConversation.as_view()),
    path(f"{CONVERSATION}/restore", conversations.RestoreConversation.as_view()),
    path("blocks/", blocks.BlockList.as_view()),
    path("blocks/count", blocks.BlockCount.as_view()),
    path(BLOCK, blocks.BlockDetail.as_view()),
    path(f"{BLOCK}/agents", blocks.BlockAgents.as_view()),
    path(
        f"{BLOCK}/identities/attach/<identity_id:identity_id>",
        identities.AttachIdentityToBlock.as_view(),
    ),
    path(
        f"{BLOCK}/identities/detach/<identity_id:identity_id>",
        identities.DetachIdentityFromBlock.as_view(),
    ),
    path(f"{BLOCK}/revisions", history.RevisionList.as_view()),
    path(f"{BLOCK}/diff", history.BlockChange.as_view()),
    path(f"{BLOCK}/undo", history.UndoBlock.as_view()),
    path(f"{BLOCK}/redo", history.RedoBlock.as_view()),
    path(f"{BLOCK}/restore", history.RestoreBlock.as_view()),
    path("agents/", agents.AgentList.as_view()),
    path("agents/count", agents.AgentCount.as_view()),
    path("agents/import", transfer.ImportAgentFile.as_view()),
    path(AGENT, agents.AgentDetail.as_view()),
    path(f"{AGENT_ISOLATED_BLOCKS}/reset", isolated_blocks.ResetIsolatedBlocks.as_view()),
    path(f"{AGENT_ISOLATED_BLOCKS}/rebase", isolated_blocks.RebaseIsolatedBlocks.as_view()),
    path(f"{AGENT}/export", transfer.ExportAgent.as_view()),
    path(f"{AGENT}/context", agents.AgentContext.as_view()),
    path(f"{AGENT}/messages", turns.SendToAgent.as_view()),
    path(f"{AGENT}/messages/stream", turns.StreamFromAgent.as_view()),
    path(f"{AGENT}/messages/async", turns.SendToAgentAsync.as_view()),
    path(f"{AGENT}/messages/capture", turns.CaptureMessages.as_view()),
    path(f"{AGENT}/generate", turns.Generate.as_view()),
    path(f"{AGENT}/messages/cancel", turns.CancelAgent.as_view()),
    path(f"{AGENT}/messages/<message_id:message_id>", messages.AgentMessage.as_view(schema=None)),
    path(f"{AGENT}/tools", tools.AgentToolList.as_view()),
    path(f"{AGENT}/tools/attach/<tool_id:tool_id>", tools.AttachTool.as_view()),
    path(f"{AGENT}/tools/detach/<tool_id:tool_id>", tools.DetachTool.as_view()),
    path(f"{AGENT}/tools/<str:tool_name>/run", tools.RunAgentTool.as_view()),
    path(f"{AGENT}/tools/approval/<str:tool_name>", agents.ToolApproval.as_view()),
    path(f"{AGENT}/reset-messages", agents.ResetMessages.as_view()),
    path(f"{AGENT}/summarize", turns.CompactAgent.as_view()),
    path(f"{AGENT}/recompile", agents.RecompileAgent.as_view()),
    # An older name of the route above.
    path(f"{AGENT}/system-prompt/recompile", agents.RecompileAgent.as_view(schema=None)),
    path(f"{AGENT}/core-memory", core_memory.CoreMemory.as_view()),
    path(AGENT_BLOCKS, core_memory.AgentBlockList.as_view()),
    path(f"{AGENT_BLOCKS}/attach/<block_id:block_id>", core_memory.AttachBlock.as_view()),
    path(f"{AGENT_BLOCKS}/detach/<block_id:block_id>", core_memory.DetachBlock.as_view()),
    path(f"{AGENT_BLOCKS}/<block_label:label>", core_memory.AgentBlockDetail.as_view()),
    path(ARCHIVAL_MEMORY, passages.AgentPassages.as_view()),
    path(f"{ARCHIVAL_MEMORY}/search", passages.AgentPassageSearch.as_view()),
    path(f"{ARCHIVAL_MEMORY}/<passage_id:passage_id>", passages.AgentPassageDetail.as_view()),
    path(f"{AGENT}/archives/attach/<archive_id:archive_id>", archives.AttachArchive.as_view()),
    path(f"{AGENT}/archives/detach/<archive_id:archive_id>", archives.DetachArchive.as_view()),
    path(
        f"{AGENT}/identities/attach/<identity_id:identity_id>",
        identities.AttachIdentity.as_view(),
    ),
    path(
        f"{AGENT}/identities/detach/<identity_id:identity_id>",
        identities.DetachIdentity.as_view(),
    ),
    *folder_routes("folders"),
    # Their older name.
    *folder_routes("sources", schema=None),
    path(f"{AGENT}/files", folders.AgentFiles.as_view()),
    path(f"{AGENT}/files/close-all", folders.CloseAllFiles.as_view()),
    path(f"{AGENT}/files/<file_id:file_id>/open", folders.OpenFile.as_view()),
    path(f"{AGENT}/files/<file_id:file_id>/close", folders.CloseFile.as_view()),
    path("identities/", identities.IdentityList.as_view()),
    path("identities/count", identities.IdentityCount.as_view()),
    path(IDENTITY, identities.IdentityDetail.as_view()),
    path(f"{IDENTITY}/agents", identities.IdentityAgents.as_view()),
    path(f"{IDENTITY}/blocks", identities.IdentityBlocks.as_view()),
    path(f"{IDENTITY}/properties", identities.IdentityProperties.as_view()),
    path("archives/", archives.ArchiveList.as_view()),
    path(ARCHIVE, archives.ArchiveDetail.as_view()),
    path(f"{ARCHIVE}/passages", passages.ArchivePassages.as_view()),
    path(f"{ARCHIVE}/passages/batch", passages.ArchivePassageBatch.as_view()),
    path(f"{ARCHIVE}/passages/<passage_id:passage_id>", passages.ArchivePassageDetail.as_view()),
    path("passages/search", passages.PassageSearch.as_view()),
    path("messages/", messages.MessageList.as_view()),
    path("messages/search", messages.MessageSearch.as_view()),
    path("messages/<message_id:message_id>", messages.MessageDetail.as_view()),
    path("runs/", runs.RunList.as_view()),
    path("runs/active", runs.ActiveRuns.as_view()),
    path(RUN, runs.RunDetail.as_view()),
    path(f"{RUN}/cancel", turns.CancelRun.as_view()),
    path(f"{RUN}/messages", runs.RunMessages.as_view()),
    path(f"{RUN}/metrics", runs.RunMetrics.as_view()),
    path(f"{RUN}/steps", runs.RunSteps.as_view()),
    path(f"{RUN}/stream", turns.StreamRun.as_view()),
    path(f"{RUN}/trace", runs.RunTrace.as_view()),
    path(f"{RUN}/usage", runs.RunUsage.as_view()),
    path("steps/", runs.StepList.as_view()),
    path("steps/<step_id:step_id>", runs.StepDetail.as_view()),
    path("steps/<step_id:step_id>/messages", runs.StepMessages.as_view()),
    path("steps/<step_id:step_id>/metrics", runs.StepMetrics.as_view()),
    path("steps/<step_id:step_id>/trace", runs.StepTrace.as_view()),
    path("steps/<step_id:step_id>/feedback", runs.StepFeedback.as_view()),
    path("api-keys/", accounts.ApiKeyList.as_view()),
    path(API_KEY, accounts.ApiKeyDetail.as_view()),
    path(f"{API_KEY}/rotate", accounts.RotateApiKey.as_view()),
    path(f"{API_KEY}/revoke", accounts.RevokeApiKey.as_view()),
    path("members/", accounts.MemberList.as_view()),
    path("members/<member_id:member_id>", accounts.MemberDetail.as_view()),
    path("audit-events/", accounts.AuditEventList.as_view()),
    path("jobs/", server.JobList.as_view(schema=None)),
    path("jobs/active", server.JobList.as_view(schema=None)),
    path("mcp-servers/", mcp_servers.McpServerList.as_view()),
    path(MCP_SERVER, mcp_servers.McpServerDetail.as_view()),
    path(f"{MCP_SERVER}/refresh", mcp_servers.RefreshMcpServer.as_view()),
    path(f"{MCP_SERVER}/tools", mcp_servers.McpServerTools.as_view()),
    path(f"{MCP_SERVER}/tools/<tool_id:tool_id>", mcp_servers.McpServerTool.as_view()),
    path(f"{MCP_SERVER}/tools/<tool_id:tool_id>/run", mcp_servers.RunMcpServerTool.as_view()),
    path("tools/", tools.ToolList.as_view()),
    path("tools/count", tools.ToolCount.as_view()),
    path("tools/search", tools.SearchTools.as_view()),
    path("tools/add-base-tools", tools.AddBaseTools.as_view()),
    path("tools/run", tools.RunSource.as_view()),
    path("tools/<tool_id:tool_id>", tools.ToolDetail.as_view()),
    path("tags/", server.TagList.as_view()),
    path("quotas/", quotas.Quotas.as_view()),
    path("models/", server.ModelList.as_view()),
    path("models/embedding", server.EmbeddingModelList.as_view()),
    path("health/", server.Health.as_view()),
    path("ready/", server.Ready.as_view()),
    # Probes have no key, so a redirect to the other spelling would be a 401.
    path("health", server.Health.as_view(schema=None)),
    path("ready", server.Ready.as_view(schema=None)),
    re_path(r"^[\s\S]*$", server.NotFoundView.as_view()),
]
