"""Tools of MCP servers: the routes, calls in turns, and servers that misbehave."""

import pytest

from conversations.domain.tools.variables import replace_variables
from conversations.models import McpHeader, McpServer, Run, Tool

from ..factories import make_agent, make_conversation, make_tool
from ..mcp_server import McpProcess, mcp_process
from ..script import call, say, script
from .processes import until
from .streams import send, stream, types

KINDS = {"streamable_http": "/mcp", "sse": "/sse"}


@pytest.fixture(scope="module")
def shared_process():
    with mcp_process() as running:
        yield running


@pytest.fixture
def harbor(shared_process, configure) -> McpProcess:
    configure(OUTBOUND_ALLOWED_HOSTS=["127.0.0.0/8"], TOOL_TIMEOUT=20)
    return shared_process


@pytest.fixture
def own_process(configure):
    """Start a server that the test may end or change."""
    configure(OUTBOUND_ALLOWED_HOSTS=["127.0.0.1"], TOOL_TIMEOUT=20)
    with mcp_process() as running:
        yield running


def create(client, url: str, kind: str = "streamable_http", **config) -> dict:
    config = {"mcp_server_type": kind, "server_url": url, **config}
    reply = client.post("/v1/mcp-servers/", {"server_name": "harbor", "config": config})
    assert reply.status_code == 200, reply.json()
    return reply.json()


def run_tool(client, server: dict, name: str, **args) -> dict:
    tool = Tool.objects.get(mcp_server=server["id"], mcp_name=name)
    path = f"/v1/mcp-servers/{server['id']}/tools/{tool.pk}/run"
    return client.post(path, {"args": args}).json()


@pytest.mark.parametrize("kind", KINDS)
def test_created_server_has_its_tools(client_for, alice, harbor, kind):
    client = client_for(alice)

    server = create(client, harbor.url + KINDS[kind], kind, auth_token="s3cret")

    assert "warnings" not in server
    assert (server["auth_token"], server["mcp_server_type"]) == ("********", kind)
    tools = {t["name"]: t for t in client.get(f"/v1/mcp-servers/{server['id']}/tools").json()}
    assert {"tide", "weather_now", "slow"} <= tools.keys()
    tide = tools["tide"]
    assert tide["tool_type"] == "external_mcp"
    assert tide["tags"] == ["mcp:harbor"]
    assert tide["json_schema"]["parameters"]["required"] == ["place"]
    assert client.get(f"/v1/mcp-servers/{server['id']}/tools/{tide['id']}").json() == tide
    result = run_tool(client, server, "tide", place="Oslo", hours=2)
    assert (result["status"], result["func_return"]) == ("success", "Oslo in 2 h: high")
    assert "s3cret" not in client.get("/v1/mcp-servers/").content.decode()


def test_results_become_text(client_for, alice, harbor):
    client = client_for(alice)
    server = create(client, f"{harbor.url}/mcp")

    assert run_tool(client, server, "picture")["func_return"] == (
        "a boat\n[image: image/png, 5 bytes]"
    )
    assert '"wind": 7' in run_tool(client, server, "weather/now")["func_return"]
    failed = run_tool(client, server, "fail")
    assert (failed["status"], failed["func_return"]) == (
        "error",
        "Error executing tool fail: the harbor is frozen",
    )


@pytest.mark.parametrize("stream_tokens", [False, True])
def test_turn_calls_a_tool_with_secrets_of_its_agent(
    client_for, alice, harbor, model, stream_tokens
):
    client = client_for(alice)
    headers = {"X-Place": "{{ PLACE }} {{ YEAR | 2026 }}"}
    server = create(client, f"{harbor.url}/mcp", custom_headers={"X-Key": "{{ KEY | none }}"})
    change = {"config": {"custom_headers": headers}}
    client.patch(f"/v1/mcp-servers/{server['id']}", change)
    agent = make_agent(alice, tools=["header"])
    replace_variables(agent, {"PLACE": "Oslo"})
    text = script(call("header", header="X-Place"), say("done"))

    events = stream(client, make_conversation(agent), text, stream_tokens=stream_tokens)

    [returned] = [e for e in events if e.get("message_type") == "tool_return_message"]
    assert (returned["tool_return"], returned["status"]) == ("Oslo 2026", "success")
    assert model.requests[-1]["messages"][-1]["content"] == "Oslo 2026"


def test_approved_call_runs(client_for, alice, harbor):
    client = client_for(alice)
    create(client, f"{harbor.url}/mcp")
    agent = make_agent(alice, tools=["tide"])
    client.patch(f"/v1/agents/{agent.pk}/tools/approval/tide", {"requires_approval": True})
    conversation = make_conversation(agent)

    asked = send(client, conversation, script(call("tide", place="Oslo"), say("done"))).json()

    [request] = [m for m in asked["messages"] if m["message_type"] == "approval_request_message"]
    approval = {"type": "approval", "approve": True}
    approval["tool_call_id"] = request["tool_call"]["tool_call_id"]
    body = {"messages": [{"type": "approval", "approvals": [approval]}], "streaming": False}
    answer = client.post(f"/v1/conversations/{conversation.pk}/messages", body).json()
    assert types(answer["messages"]) == ["tool_return_message", "assistant_message"]
    assert answer["messages"][0]["tool_return"] == "Oslo in 1 h: high"


def test_cancelled_run_ends_its_call(client_for, alice, harbor, in_thread):
    client = client_for(alice)
    create(client, f"{harbor.url}/mcp")
    conversation = make_conversation(make_agent(alice, tools=["slow"]))
    answer = in_thread(send, client_for(alice), conversation, call("slow", seconds=60))
    events = Run.objects.filter(events__data__type="tool_call")
    until(events.exists, seconds=60, what="the call is published")

    client.post(f"/v1/conversations/{conversation.pk}/cancel")

    assert answer().json()["stop_reason"]["stop_reason"] == "cancelled"


@pytest.mark.parametrize("kind", KINDS)
def test_slow_huge_and_dead_servers_fail_in_words(client_for, alice, own_process, configure, kind):
    client = client_for(alice)
    server = create(client, own_process.url + KINDS[kind], kind)

    huge = run_tool(client, server, "huge")
    configure(TOOL_TIMEOUT=2)
    slow = run_tool(client, server, "slow", seconds=60)
    died = run_tool(client, server, "die")
    dead = run_tool(client, server, "tide", place="Oslo")

    assert [each["status"] for each in (huge, slow, died, dead)] == ["error"] * 4
    assert len(huge["func_return"]) < 500
    assert "2 s" in slow["func_return"]
    assert "can't be reached" in dead["func_return"]
    refreshed = client.patch(f"/v1/mcp-servers/{server['id']}/refresh")
    assert (refreshed.status_code, Tool.objects.filter(name="tide").count()) == (502, 1)


def test_refresh_updates_adds_and_deletes_tools(client_for, alice, own_process):
    client = client_for(alice)
    make_tool(alice, "rain")
    server = create(client, f"{own_process.url}/mcp")
    run_tool(client, server, "replace", removed="tide", added="rain")

    changes = client.patch(f"/v1/mcp-servers/{server['id']}/refresh").json()

    assert changes == {"added": ["harbor_rain"], "updated": [], "deleted": ["tide"]}
    assert run_tool(client, server, "rain")["status"] == "success"


@pytest.mark.parametrize("path", ["/redirect", "/compressed", "/nothing"])
@pytest.mark.parametrize("kind", KINDS)
def test_server_that_speaks_no_mcp_is_stored_with_a_warning(client_for, alice, harbor, kind, path):
    server = create(client_for(alice), harbor.url + path, kind)

    assert server["warnings"][0].startswith("no tools yet: The MCP server failed: ")
    assert not Tool.objects.filter(tool_type=Tool.MCP).exists()


def test_hanging_server_fails_within_a_deadline(client_for, alice, harbor, monkeypatch):
    monkeypatch.setattr("conversations.runtime.mcp_client.LIST_TIMEOUT", 1.0)

    server = create(client_for(alice), f"{harbor.url}/hang", "sse")

    assert "no response within 1 s" in server["warnings"][0]


def test_missing_secret_is_named(client_for, alice, harbor):
    client = client_for(alice)
    server = create(client, f"{harbor.url}/mcp", custom_headers={"X-Key": "{{ KEY }}"})
    agent = make_agent(alice)
    replace_variables(agent, {"KEY": "k"})

    changes = client.patch(f"/v1/mcp-servers/{server['id']}/refresh?agent_id={agent.pk}").json()

    assert "needs the secret KEY" in server["warnings"][0]
    assert "tide" in changes["added"]


def test_deleted_server_takes_its_tools_along(client_for, alice, harbor):
    client = client_for(alice)
    server = create(client, f"{harbor.url}/mcp")
    agent = make_agent(alice, tools=["tide"])

    client.delete(f"/v1/mcp-servers/{server['id']}")

    assert not agent.tools.exists()
    assert not McpServer.objects.exists()


def test_stored_secrets_stay_with_their_url(client_for, alice, harbor):
    client = client_for(alice)
    server = create(client, f"{harbor.url}/mcp", auth_token="a", custom_headers={"X-A": "b"})
    path = f"/v1/mcp-servers/{server['id']}"
    config = {"server_url": f"{harbor.url}/other", "auth_token": "********"}

    assert client.patch(path, {"config": config}).status_code == 422
    config |= {"auth_token": "c", "custom_headers": {"X-A": "********"}}
    assert client.patch(path, {"config": config}).status_code == 422
    config["custom_headers"] = {"X-A": "d"}
    assert client.patch(path, {"config": config}).json()["server_url"] == f"{harbor.url}/other"
    assert McpHeader.objects.get().value.reveal() == "d"


@pytest.mark.parametrize(
    ("config", "status"),
    [
        ({"mcp_server_type": "stdio", "command": "ls", "args": []}, 501),
        ({"command": "ls", "args": []}, 501),
        ({"server_url": "ftp://example.com"}, 422),
        ({"server_url": "http://user:password@example.com/"}, 422),
        ({"server_url": "http://127.0.0.1:1/mcp"}, 422),
        ({"server_url": "http://[::ffff:169.254.169.254]/"}, 422),
        ({"server_url": "https://example.com", "custom_headers": {"Host": "x"}}, 422),
        ({"server_url": "https://example.com", "custom_headers": {"X-A": "a\r\nb"}}, 422),
        ({"server_url": "https://example.com", "mcp_server_type": "other"}, 422),
        ({}, 422),
    ],
)
def test_unusable_config_stores_nothing(client_for, alice, config, status):
    body = {"server_name": "harbor", "config": config}

    reply = client_for(alice).post("/v1/mcp-servers/", body)

    assert reply.status_code == status, reply.json()
    assert not McpServer.objects.exists()


def test_servers_of_others_are_not_found(client_for, alice, mallory, harbor):
    server = create(client_for(alice), f"{harbor.url}/mcp")
    stranger = client_for(mallory)

    assert stranger.get("/v1/mcp-servers/").json() == []
    assert stranger.get(f"/v1/mcp-servers/{server['id']}").status_code == 404
    assert stranger.patch(f"/v1/mcp-servers/{server['id']}/refresh").status_code == 404
