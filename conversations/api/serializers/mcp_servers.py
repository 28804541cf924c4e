"""Request bodies and queries of MCP servers."""

from typing import Any

from rest_framework import serializers

from ...models import McpServer
from ..http.errors import NotServed
from .fields import OPTIONAL, Id, Input, StrictObject, StrictString

NO_STDIO = (
    "Not served: MCP servers of the type stdio, which would run commands on this server; "
    "start it elsewhere and give its URL"
)


class McpConfig(Input):
    """Where an MCP server is, and what each request to it has. Null means absent."""

    mcp_server_type = StrictString(required=False, help_text="`streamable_http` or `sse`.")
    server_url = StrictString(**OPTIONAL, max_length=2000)
    auth_header = StrictString(**OPTIONAL, max_length=200)
    auth_token = StrictString(**OPTIONAL, max_length=10_000)
    custom_headers = StrictObject(
        **OPTIONAL, help_text="Texts by names; `{{ NAME | default }}` is a secret of the agent."
    )

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict):
            kind = data.get("mcp_server_type", data.get("type"))
            if kind == "stdio" or (kind is None and "command" in data):
                raise NotServed(NO_STDIO)
            data = {name: value for name, value in data.items() if name != "type"}
            if kind is not None:
                data["mcp_server_type"] = kind
        return super().to_internal_value(data)

    def validate_mcp_server_type(self, value: str) -> str:
        if value not in McpServer.Kind.values:
            raise serializers.ValidationError(
                f"expected 'streamable_http' or 'sse', got {value[:60]!r}"
            )
        return value

    def validate_custom_headers(self, value: dict[str, Any] | None) -> dict[str, Any] | None:
        for name, text in (value or {}).items():
            if not isinstance(text, str):
                raise serializers.ValidationError(f"{name[:60]}: expected a string")
        return value


def mcp_server_fields(config: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a server for a validated `McpConfig`."""
    names = {
        "mcp_server_type": "kind",
        "server_url": "url",
        "auth_header": "auth_header",
        "auth_token": "token",
        "custom_headers": "headers",
    }
    return {names[name]: value for name, value in config.items() if value is not None}


class CreateMcpServerBody(Input):
    """The body of POST /v1/mcp-servers/."""

    server_name = StrictString(allow_blank=False, max_length=200)
    config = McpConfig()

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        fields = mcp_server_fields(attrs["config"])
        if "url" not in fields:
            raise serializers.ValidationError({"config": {"server_url": ["field required"]}})
        return {"kind": "streamable_http", **fields, "name": attrs["server_name"]}


class UpdateMcpServerBody(Input):
    """The body of PATCH /v1/mcp-servers/{id}."""

    server_name = StrictString(**OPTIONAL, allow_blank=False, max_length=200)
    config = McpConfig(**OPTIONAL)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        fields = mcp_server_fields(attrs.get("config") or {})
        if name := attrs.get("server_name"):
            fields["name"] = name
        return fields


class RefreshQuery(Input):
    """The query of PATCH /v1/mcp-servers/{id}/refresh."""

    agent_id = Id("agent", **OPTIONAL, help_text="Whose secrets fill the headers.")
