"""Every route that takes an id, with a body that it accepts."""

from dataclasses import dataclass

from django.core.files.uploadedfile import SimpleUploadedFile

from conversations.ids import new_id

PREFIXES = {
    "conversation_id": "conv",
    "agent_id": "agent",
    "archive_id": "archive",
    "block_id": "block",
    "file_id": "file",
    "folder_id": "source",
    "identity_id": "identity",
    "message_id": "message",
    "passage_id": "passage",
    "run_id": "run",
    "api_key_id": "key",
    "member_id": "user",
    "step_id": "step",
    "mcp_server_id": "mcp_server",
    "tool_id": "tool",
}


@dataclass(frozen=True)
class Route:
    method: str
    path: str
    body: dict | None = None

    def __str__(self):
        return f"{self.method} {self.path}"

    @property
    def parameter(self) -> str:
        """Return the name of the last id in the path."""
        return [name for name in PREFIXES if f"{{{name}}}" in self.path][-1]

    def unknown_id(self) -> str:
        return new_id(PREFIXES[self.parameter])

    def send(self, client, **ids: str):
        method = getattr(client, self.method)
        return method(f"/v1/{self.path.format(**ids)}", self.body)


class UploadRoute(Route):
    """A route that takes a form with a file."""

    def send(self, client, **ids: str):
        form = {"file": SimpleUploadedFile("new.txt", b"new")}
        return client.post(f"/v1/{self.path.format(**ids)}", form, format="multipart")


SAY = {"input": "hello", "streaming": False}
CAPTURED = {
    "provider": "openai",
    "model": "gpt-4o",
    "request_messages": [{"role": "user", "content": "hello"}],
    "response_dict": {"role": "assistant", "content": "hi"},
}
ROUTES = [
    Route("get", "conversations/{conversation_id}"),
    Route("patch", "conversations/{conversation_id}", {"summary": "changed"}),
    Route("delete", "conversations/{conversation_id}"),
    Route("get", "conversations/{conversation_id}/blocks"),
    Route("post", "conversations/{conversation_id}/fork"),
    Route("get", "conversations/{conversation_id}/messages"),
    Route("post", "conversations/{conversation_id}/recompile"),
    Route("post", "conversations/{conversation_id}/restore"),
    Route("get", "conversations/{conversation_id}/isolated-blocks/human"),
    Route("get", "conversations/{conversation_id}/isolated-blocks/human/released"),
    Route("put", "conversations/{conversation_id}/isolated-blocks/human"),
    Route("patch", "conversations/{conversation_id}/isolated-blocks/human", {"value": "changed"}),
    Route("delete", "conversations/{conversation_id}/isolated-blocks/human"),
    Route("get", "conversations/{conversation_id}/isolated-blocks/human/diff"),
    Route("post", "conversations/{conversation_id}/isolated-blocks/human/promote"),
    Route("post", "conversations/{conversation_id}/isolated-blocks/human/reset"),
    Route("post", "conversations/{conversation_id}/isolated-blocks/human/rebase"),
    Route("get", "blocks/{block_id}"),
    Route("patch", "blocks/{block_id}", {"value": "changed"}),
    Route("delete", "blocks/{block_id}"),
    Route("get", "blocks/{block_id}/agents"),
    Route("get", "blocks/{block_id}/revisions"),
    Route("get", "blocks/{block_id}/diff"),
    Route("post", "blocks/{block_id}/undo"),
    Route("post", "blocks/{block_id}/redo"),
    Route("post", "blocks/{block_id}/restore", {"number": 1}),
    Route("get", "agents/{agent_id}"),
    Route("patch", "agents/{agent_id}", {"description": "changed"}),
    Route("delete", "agents/{agent_id}"),
    Route("post", "agents/{agent_id}/isolated-blocks/human/reset"),
    Route("post", "agents/{agent_id}/isolated-blocks/human/rebase"),
    Route("get", "agents/{agent_id}/context"),
    Route("get", "agents/{agent_id}/export"),
    Route("get", "agents/{agent_id}/messages"),
    Route("post", "agents/{agent_id}/messages/capture", CAPTURED),
    Route("post", "agents/{agent_id}/generate", {"prompt": "hello"}),
    Route("post", "agents/{agent_id}/recompile"),
    Route("post", "agents/{agent_id}/system-prompt/recompile"),
    Route("get", "agents/{agent_id}/core-memory"),
    Route("get", "agents/{agent_id}/core-memory/blocks"),
    Route("get", "agents/{agent_id}/core-memory/blocks/human"),
    Route("patch", "agents/{agent_id}/core-memory/blocks/human", {"value": "changed"}),
    Route("get", "agents/{agent_id}/tools"),
    Route("get", "agents/{agent_id}/archival-memory"),
    Route("post", "agents/{agent_id}/archival-memory", {"text": "new"}),
    Route("get", "agents/{agent_id}/archival-memory/search?query=secret"),
    Route("get", "archives/{archive_id}"),
    Route("patch", "archives/{archive_id}", {"description": "changed"}),
    Route("delete", "archives/{archive_id}"),
    Route("post", "archives/{archive_id}/passages", {"text": "new"}),
    Route("post", "archives/{archive_id}/passages/batch", {"passages": [{"text": "new"}]}),
    Route("get", "agents/{agent_id}/files"),
    Route("patch", "agents/{agent_id}/files/close-all"),
    *(
        route
        for name in ("folders", "sources")
        for route in (
            Route("get", f"agents/{{agent_id}}/{name}"),
            Route("get", f"{name}/{{folder_id}}"),
            Route("patch", f"{name}/{{folder_id}}", {"description": "changed"}),
            Route("delete", f"{name}/{{folder_id}}"),
            Route("get", f"{name}/{{folder_id}}/files"),
            Route("get", f"{name}/{{folder_id}}/passages"),
            Route("get", f"{name}/{{folder_id}}/agents"),
            UploadRoute("post", f"{name}/{{folder_id}}/upload"),
        )
    ),
    Route("get", "mcp-servers/{mcp_server_id}"),
    Route("patch", "mcp-servers/{mcp_server_id}", {"server_name": "changed"}),
    Route("delete", "mcp-servers/{mcp_server_id}"),
    Route("get", "mcp-servers/{mcp_server_id}/tools"),
    Route("get", "identities/{identity_id}"),
    Route("patch", "identities/{identity_id}", {"name": "changed"}),
    Route("delete", "identities/{identity_id}"),
    Route("get", "identities/{identity_id}/agents"),
    Route("get", "identities/{identity_id}/blocks"),
    Route("put", "identities/{identity_id}/properties", []),
    Route("get", "tools/{tool_id}"),
    Route("patch", "tools/{tool_id}", {"description": "changed"}),
    Route("delete", "tools/{tool_id}"),
    Route("get", "messages/{message_id}"),
    Route("get", "runs/{run_id}"),
    Route("delete", "runs/{run_id}"),
    Route("get", "runs/{run_id}/messages"),
    Route("get", "runs/{run_id}/metrics"),
    Route("get", "runs/{run_id}/steps"),
    Route("get", "runs/{run_id}/trace"),
    Route("get", "runs/{run_id}/usage"),
    Route("get", "steps/{step_id}"),
    Route("get", "steps/{step_id}/messages"),
    Route("get", "steps/{step_id}/metrics"),
    Route("get", "steps/{step_id}/trace"),
    Route("patch", "steps/{step_id}/feedback", {"feedback": "positive"}),
    Route("post", "conversations/{conversation_id}/messages/preview-raw-payload", SAY),
    Route("post", "runs/{run_id}/stream"),
]
# These need a key of scope admin.
ADMIN_ROUTES = [
    Route("get", "api-keys/{api_key_id}"),
    Route("post", "api-keys/{api_key_id}/rotate"),
    Route("post", "api-keys/{api_key_id}/revoke"),
    Route("get", "members/{member_id}"),
    Route("patch", "members/{member_id}", {"name": "changed"}),
]
# These need more than the ids, such as a turn or a released block, and have tests of their own.
ROUTES_WITH_PRECONDITIONS = [
    Route("post", "conversations/{conversation_id}/isolated-blocks/human/restore"),
    Route("post", "conversations/{conversation_id}/messages", SAY),
    Route("post", "conversations/{conversation_id}/stream"),
    Route("post", "conversations/{conversation_id}/cancel"),
    Route("post", "conversations/{conversation_id}/compact"),
    Route("post", "agents/{agent_id}/messages", SAY),
    Route("post", "agents/{agent_id}/messages/stream", SAY),
    Route("post", "agents/{agent_id}/messages/async", SAY),
    Route("post", "agents/{agent_id}/messages/cancel"),
    Route("post", "agents/{agent_id}/summarize"),
    Route("patch", "agents/{agent_id}/reset-messages"),
    Route("post", "runs/{run_id}/cancel"),
    Route("patch", "agents/{agent_id}/tools/approval/memory_insert", {"requires_approval": True}),
    Route("post", "agents/{agent_id}/tools/memory_insert/run", {"args": {}}),
]
# These connect to another server.
MCP_ROUTES = [
    Route("patch", "mcp-servers/{mcp_server_id}/refresh"),
    Route("get", "mcp-servers/{mcp_server_id}/tools/{tool_id}"),
    Route("post", "mcp-servers/{mcp_server_id}/tools/{tool_id}/run", {"args": {}}),
]
# These take a second id.
ATTACH_ROUTES = [
    Route("patch", "agents/{agent_id}/core-memory/blocks/attach/{block_id}"),
    Route("patch", "agents/{agent_id}/core-memory/blocks/detach/{block_id}"),
]
IDENTITY_ROUTES = [
    Route("patch", "agents/{agent_id}/identities/attach/{identity_id}"),
    Route("patch", "agents/{agent_id}/identities/detach/{identity_id}"),
    Route("patch", "blocks/{block_id}/identities/attach/{identity_id}"),
    Route("patch", "blocks/{block_id}/identities/detach/{identity_id}"),
]
FOLDER_ROUTES = [
    Route("patch", "agents/{agent_id}/files/{file_id}/open"),
    Route("patch", "agents/{agent_id}/files/{file_id}/close"),
    *(
        route
        for name in ("folders", "sources")
        for route in (
            Route("patch", f"agents/{{agent_id}}/{name}/attach/{{folder_id}}"),
            Route("patch", f"agents/{{agent_id}}/{name}/detach/{{folder_id}}"),
            Route("get", f"{name}/{{folder_id}}/files/{{file_id}}"),
            Route("delete", f"{name}/{{folder_id}}/{{file_id}}"),
        )
    ),
]
TOOL_ROUTES = [
    Route("patch", "agents/{agent_id}/tools/attach/{tool_id}"),
    Route("patch", "agents/{agent_id}/tools/detach/{tool_id}"),
]
ARCHIVE_ROUTES = [
    Route("patch", "agents/{agent_id}/archives/attach/{archive_id}"),
    Route("patch", "agents/{agent_id}/archives/detach/{archive_id}"),
    Route("delete", "agents/{agent_id}/archival-memory/{passage_id}"),
    Route("delete", "archives/{archive_id}/passages/{passage_id}"),
]
