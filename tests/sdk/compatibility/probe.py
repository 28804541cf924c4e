"""Call every method of the official client against a server; print what became of each, as JSON.

The methods are found by reflection, so that a new version of the client can't have more of them.
Each call gets rows of its own.
"""

import inspect
import json
import os
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import letta_client
from letta_client._resource import SyncAPIResource

MODEL = "openai/gpt-4o-mini"
EMBEDDING = "openai/text-embedding-3-small"
SLOW = "PAUSE 0.3\nSAY " + "word " * 200
SOURCE = """def {}(sides: int) -> str:
    '''Roll a die.

    Args:
        sides: Its sides.
    '''
    return "6"
"""

MCP_URL = os.environ["MCP_URL"]

client = letta_client.Letta(
    base_url=os.environ["BASE_URL"], api_key=os.environ["API_KEY"], max_retries=0
)


def methods(resource: Any = client, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Yield the name of each method of the client, and the bound method."""
    for name in sorted(dir(type(resource))):
        if name.startswith(("_", "with_")):
            continue
        attribute = getattr(resource, name)
        if isinstance(attribute, SyncAPIResource):
            yield from methods(attribute, (*path, name))
        elif path and inspect.ismethod(attribute):
            yield ".".join((*path, name)), attribute


def created(prefix: str, path: str, body: dict[str, Any]) -> str:
    """Create a row and return its id; any id where the server has no such rows."""
    try:
        row = client.post(path, body=body, cast_to=object)
    except letta_client.APIStatusError:
        return f"{prefix}-{uuid4()}"
    return row["id"]


def agent() -> str:
    """Return an agent with a block and some messages."""
    memory = [{"label": "human", "value": "Ada"}]
    fields = {"memory_blocks": memory, "model": MODEL, "embedding": EMBEDDING, "tags": ["tea"]}
    agent_id = client.agents.create(**fields).id
    client.agents.messages.create(agent_id, input="SAY hello")
    return agent_id


def talkative_agent() -> str:
    agent_id = agent()
    for number in range(6):
        client.agents.messages.create(agent_id, input=f"SAY {number}")
    return agent_id


def busy_agent() -> str:
    agent_id = agent()
    client.agents.messages.create_async(agent_id, input=SLOW)
    return agent_id


def conversation() -> str:
    conversation_id = client.conversations.create(agent_id=agent()).id
    for number in range(4):
        list(client.conversations.messages.create(conversation_id, input=f"SAY {number}"))
    return conversation_id


def busy_conversation() -> str:
    conversation_id = client.conversations.create(agent_id=agent()).id
    stream = client.conversations.messages.create(conversation_id, input=SLOW, background=True)
    next(iter(stream))
    stream.close()
    return conversation_id


def block() -> str:
    return client.blocks.create(label="notes", value="x").id


def run(agent_id: str | None = None) -> str:
    return next(iter(client.runs.list(agent_id=agent_id or agent(), limit=1))).id


def step() -> str:
    return next(iter(client.runs.steps.list(run()))).id


def tool() -> str:
    return client.tools.create(source_code=SOURCE.format(f"roll_{uuid4().hex[:8]}")).id


def archive() -> str:
    return client.archives.create(name="archive", embedding=EMBEDDING).id


def archive_passage() -> dict[str, str]:
    archive_id = archive()
    passage = client.archives.passages.create(archive_id, text="tea")
    return {"archive_id": archive_id, "passage_id": passage.id}


def agent_passage() -> dict[str, str]:
    agent_id = agent()
    [passage] = client.agents.passages.create(agent_id, text="tea")
    return {"agent_id": agent_id, "memory_id": passage.id}


def attached(what: str) -> dict[str, str]:
    """Return an agent and a row that is attached to it."""
    agent_id = agent()
    row_id = {"block": block, "tool": tool, "archive": archive}[what]()
    getattr(client.agents, f"{what}s").attach(row_id, agent_id=agent_id)
    return {"agent_id": agent_id, f"{what}_id": row_id}


def folder() -> str:
    return created("source", "/v1/folders/", {"name": f"f{uuid4()}", "embedding": EMBEDDING})


def identity() -> str:
    body = {"identifier_key": f"k{uuid4()}", "name": "Ada", "identity_type": "user"}
    return created("identity", "/v1/identities/", body)


def mcp_server() -> str:
    config = {"mcp_server_type": "streamable_http", "server_url": MCP_URL}
    body = {"server_name": f"s{uuid4().hex[:8]}", "config": config}
    return created("mcp_server", "/v1/mcp-servers/", body)


def mcp_tool() -> dict[str, str]:
    """Return an MCP server and its first tool; any ids where the server has none."""
    mcp_server_id = mcp_server()
    try:
        tool_id = client.mcp_servers.tools.list(mcp_server_id)[0].id
    except letta_client.APIStatusError:
        tool_id = f"tool-{uuid4()}"
    return {"mcp_server_id": mcp_server_id, "tool_id": tool_id}


def attached_by_path(what: str, row_id: str) -> dict[str, str]:
    """Attach a row to an agent if the server can; return both ids."""
    agent_id = agent()
    try:
        path = f"/v1/agents/{agent_id}/{what}/attach/{row_id}"
        client.patch(path, cast_to=object)
    except letta_client.APIStatusError:
        pass
    return {"agent_id": agent_id}


def with_file() -> dict[str, str]:
    """Return a folder with a file; any id where the server has no files."""
    folder_id = folder()
    try:
        client.folders.files.upload(folder_id, file=("a.txt", b"tea"))
        file_id = next(iter(client.folders.files.list(folder_id))).id
    except (letta_client.APIStatusError, StopIteration):
        file_id = f"file-{uuid4()}"
    return {"folder_id": folder_id, "file_id": file_id}


def open_file() -> dict[str, str]:
    row = with_file()
    return {"file_id": row["file_id"]} | attached_by_path("folders", row["folder_id"])


def identity_of_agent() -> dict[str, str]:
    identity_id = identity()
    return {"identity_id": identity_id} | attached_by_path("identities", identity_id)


def folder_of_agent() -> dict[str, str]:
    folder_id = folder()
    return {"folder_id": folder_id} | attached_by_path("folders", folder_id)


def agent_file() -> bytes:
    return client.agents.export_file(agent()).encode()


# How an argument that a method requires is made.
VALUES: dict[str, Callable[[], Any]] = {
    "agent_id": agent,
    "archive_id": archive,
    "block_id": block,
    "block_label": lambda: "human",
    "conversation_id": conversation,
    "folder_id": folder,
    "identity_id": identity,
    "label": lambda: "notes",
    "mcp_server_id": mcp_server,
    "message_id": lambda: client.agents.retrieve(agent()).message_ids[0],
    "messages": lambda: [{"role": "user", "content": "SAY hello"}],
    "name": lambda: f"name {uuid4().hex[:8]}",
    "passages": lambda: [{"text": "tea"}, {"text": "milk"}],
    "path_run_id": run,
    "query": lambda: "tea",
    "run_id": run,
    "source_code": lambda: SOURCE.format(f"roll_{uuid4().hex[:8]}"),
    "step_id": step,
    "text": lambda: "tea",
    "tool_id": tool,
    "tool_name": lambda: "memory_insert",
    "value": lambda: "x",
}
# The arguments of methods that need more, or other ones.
CALLS: dict[str, Callable[[], dict[str, Any]]] = {
    "access_tokens.create": lambda: {"hostname": "x", "policy": {"data": [], "version": "1"}},
    "access_tokens.delete": lambda: {"token": "x", "body": {}},
    "agents.archives.attach": lambda: {"archive_id": archive(), "agent_id": agent()},
    "agents.archives.detach": lambda: attached("archive"),
    "agents.blocks.detach": lambda: attached("block"),
    "agents.blocks.update": lambda: {"block_label": "human", "agent_id": agent(), "value": "x"},
    "agents.create": lambda: {"model": MODEL},
    "agents.files.close": open_file,
    "agents.files.open": open_file,
    "agents.folders.detach": folder_of_agent,
    "agents.identities.detach": identity_of_agent,
    "agents.import_file": lambda: {"file": ("agent.af", agent_file())},
    "agents.messages.cancel": lambda: {"agent_id": busy_agent()},
    "agents.messages.compact": lambda: {
        "agent_id": talkative_agent(),
        "compaction_settings": {"mode": "all"},
    },
    "agents.messages.create": lambda: {"agent_id": agent(), "input": "SAY hello"},
    "agents.messages.create_async": lambda: {"agent_id": agent(), "input": "SAY hello"},
    "agents.messages.stream": lambda: {"agent_id": agent(), "input": "SAY hello"},
    "agents.passages.delete": agent_passage,
    "agents.schedule.create": lambda: {
        "agent_id": agent(),
        "messages": [{"role": "user", "content": "x"}],
        "schedule": {"type": "one-time", "scheduled_at": 1.0},
    },
    "agents.schedule.delete": lambda: {"scheduled_message_id": "x", "agent_id": agent()},
    "agents.schedule.retrieve": lambda: {"scheduled_message_id": "x", "agent_id": agent()},
    "agents.tools.detach": lambda: attached("tool"),
    "agents.tools.run": lambda: {
        "tool_name": "memory_insert",
        "agent_id": agent(),
        "args": {"label": "human", "new_string": "x"},
    },
    "agents.tools.update_approval": lambda: {
        "tool_name": "memory_insert",
        "agent_id": agent(),
        "body_requires_approval": True,
    },
    "agents.update": lambda: {"agent_id": agent(), "description": "x"},
    "archives.passages.delete": archive_passage,
    "archives.update": lambda: {"archive_id": archive(), "description": "x"},
    "blocks.update": lambda: {"block_id": block(), "value": "y"},
    "conversations.cancel": lambda: {"conversation_id": busy_conversation()},
    "conversations.messages.compact": lambda: {
        "conversation_id": conversation(),
        "compaction_settings": {"mode": "all"},
    },
    "conversations.messages.create": lambda: {
        "conversation_id": conversation(),
        "input": "SAY hello",
    },
    "conversations.messages.stream": lambda: {"conversation_id": busy_conversation()},
    "conversations.update": lambda: {"conversation_id": conversation(), "summary": "x"},
    "environments.retrieve": lambda: {"device_id": "x"},
    "environments.send_message": lambda: {
        "connection_id": "x",
        "messages": [{"role": "user", "content": "x"}],
    },
    "folders.files.delete": with_file,
    "folders.files.retrieve": with_file,
    "folders.files.upload": lambda: {"folder_id": folder(), "file": ("a.txt", b"tea")},
    "folders.update": lambda: {"folder_id": folder(), "description": "x"},
    "mcp_servers.create": lambda: {
        "server_name": f"s{uuid4().hex[:8]}",
        "config": {
            "mcp_server_type": "streamable_http",
            "server_url": MCP_URL,
        },
    },
    "mcp_servers.update": lambda: {
        "mcp_server_id": mcp_server(),
        "config": {"server_url": MCP_URL},
    },
    "mcp_servers.tools.retrieve": mcp_tool,
    "mcp_servers.tools.run": lambda: {**mcp_tool(), "args": {"place": "Oslo"}},
    "passages.search": lambda: {"query": "tea"},
    "steps.feedback.create": lambda: {"step_id": step(), "feedback": "positive"},
    "templates.agents.create": lambda: {"template_version": "x:latest"},
    "templates.create": lambda: {"type": "agent", "agent_id": agent()},
    "templates.delete": lambda: {"template_name": "x"},
    "templates.rollback": lambda: {"template_name": "x", "version": "1"},
    "templates.save": lambda: {"template_name": "x"},
    "templates.update": lambda: {"template_name": "x", "agent_file_json": {}},
    "tools.search": lambda: {"query": "roll"},
    "tools.update": lambda: {"tool_id": tool(), "description": "x"},
}


def arguments(name: str, method: Any) -> dict[str, Any]:
    """Return what a method is called with."""
    if make := CALLS.get(name):
        return make()
    required = [
        parameter.name
        for parameter in inspect.signature(method).parameters.values()
        if parameter.default is inspect.Parameter.empty
    ]
    return {name: VALUES[name]() for name in required}


def call(name: str, method: Any) -> dict[str, Any]:
    """Call a method; return its name, the status, and the text of an error."""
    given = arguments(name, method)
    try:
        answer = method(**given)
        if hasattr(answer, "__iter__") and not isinstance(answer, str | bytes | dict):
            for _ in zip(answer, range(20), strict=False):
                pass
    except letta_client.APIStatusError as error:
        body = error.body if isinstance(error.body, dict) else {}
        return {"name": name, "status": error.status_code, "detail": str(body.get("detail", ""))}
    return {"name": name, "status": 200, "detail": ""}


print(json.dumps([call(name, method) for name, method in methods()]))
