"""Tools: the routes, tools of agents, secrets and rules."""

import pytest

from conversations.domain.tools.definitions import BASE_TOOLS
from conversations.domain.tools.variables import MASK, variables_of
from conversations.models import Agent, AgentVariable, Tool

from ..factories import make_agent, make_tool

DICE = '''def roll_dice(sides: int) -> str:
    """Roll a die.

    Args:
        sides (int): a number
    """
    return str(sides)
'''
SCHEMA = {
    "name": "roll_dice",
    "description": "Roll a die.",
    "parameters": {
        "type": "object",
        "properties": {"sides": {"type": "integer", "description": "a number"}},
        "required": ["sides"],
    },
}
CLIENT_1 = {"HTTP_X_STAINLESS_PACKAGE_VERSION": "1.12.1"}


def names(reply) -> list[str]:
    return [tool["name"] for tool in reply.json()]


@pytest.mark.parametrize("method", ["post", "put"])
def test_tool_gets_the_schema_of_its_source(client_for, alice, method):
    reply = getattr(client_for(alice), method)("/v1/tools/", {"source_code": DICE}).json()

    assert reply["json_schema"] == SCHEMA
    assert (reply["name"], reply["description"]) == ("roll_dice", "Roll a die.")
    assert (reply["tool_type"], reply["return_char_limit"]) == ("custom", 50_000)
    assert reply["created_by_id"] == alice.pk
    assert client_for(alice).get(f"/v1/tools/{reply['id']}").json() == reply


def test_tool_of_the_same_name_is_updated(client_for, alice):
    first = client_for(alice).post("/v1/tools/", {"source_code": DICE}).json()
    body = {"source_code": DICE.replace("Roll", "Throw"), "tags": ["dice"]}

    second = client_for(alice).put("/v1/tools/", body).json()

    assert second["id"] == first["id"]
    assert (second["description"], second["tags"]) == ("Throw a die.", ["dice"])


def test_given_schema_is_kept(client_for, alice):
    schema = {"name": "other", "description": "given", "parameters": {"type": "object"}}
    body = {"source_code": "def other(a): return a", "json_schema": schema}

    reply = client_for(alice).post("/v1/tools/", body).json()

    assert (reply["name"], reply["json_schema"]) == ("other", schema)


@pytest.mark.parametrize(
    ("source", "status", "detail"),
    [
        ("x = 1", 400, "Failed to derive json schema: Schema generation failed: No functions"),
        (DICE.replace("roll_dice", "memory_insert"), 400, "memory_insert is built in"),
        ("def ärger():\n    '''Do.'''", 422, "json_schema.name: expected 1 to 64 letters"),
    ],
)
def test_wrong_source_stores_nothing(client_for, alice, source, status, detail):
    reply = client_for(alice).post("/v1/tools/", {"source_code": source})

    assert reply.status_code == status
    assert detail in reply.json()["detail"]
    assert not Tool.objects.filter(tool_type=Tool.CUSTOM).exists()


def test_update_with_source_brings_a_new_schema(client_for, alice):
    tool = make_tool(alice, "echo")
    client = client_for(alice)

    renamed = client.patch(f"/v1/tools/{tool.pk}", {"source_code": DICE}).json()
    described = client.patch(f"/v1/tools/{tool.pk}", {"description": "d"}).json()

    assert (renamed["name"], renamed["json_schema"]) == ("roll_dice", SCHEMA)
    assert (described["description"], described["json_schema"]) == ("d", SCHEMA)
    taken = make_tool(alice, "echo")
    assert client.patch(f"/v1/tools/{taken.pk}", {"source_code": DICE}).status_code == 409


def test_deleted_tool_is_detached(client_for, alice):
    tool = make_tool(alice, "echo")
    agent = make_agent(alice, tools=["echo"])

    assert client_for(alice).delete(f"/v1/tools/{tool.pk}").json() is None

    assert not agent.tools.exists()
    assert client_for(alice).get(f"/v1/tools/{tool.pk}").status_code == 404


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("tool_types=custom", ["b_two", "a_one"]),
        ("tool_types=custom&order=asc&limit=1", ["a_one"]),
        ("name=a_one", ["a_one"]),
        ("names=a_one&names=send_message&tool_types=custom,letta_core&order=asc", None),
        ("search=TWO", ["b_two"]),
        ("return_only_letta_tools=true&search=a_one", []),
        ("exclude_tool_types=custom&search=one", []),
    ],
)
def test_list_is_filtered(client_for, alice, query, expected):
    make_tool(alice, "a_one")
    make_tool(alice, "b_two")

    found = names(client_for(alice).get(f"/v1/tools/?{query}"))

    if expected is None:
        assert sorted(found) == ["a_one", "send_message"]
    else:
        assert found == expected


def test_count_and_search(client_for, alice):
    tool = make_tool(alice, "roll", description="Throws dice", tags=["game"])
    client = client_for(alice)

    assert client.get("/v1/tools/count?tool_types=custom").json() == 1
    [found] = client.post("/v1/tools/search", {"query": "dice throws", "tags": ["game"]}).json()
    assert (found["tool"]["id"], found["fts_rank"]) == (tool.pk, 1)
    assert client.post("/v1/tools/search", {"query": "nothing"}).json() == []


def test_built_in_tools_are_listed_and_not_changed(client_for, alice):
    client = client_for(alice)
    added = client.post("/v1/tools/add-base-tools").json()
    [insert] = client.get("/v1/tools/?name=memory_insert").json()

    refused = client.patch(f"/v1/tools/{insert['id']}", {"description": "x"})

    assert {"memory_insert", "web_search"} <= {tool["name"] for tool in added}
    assert insert["json_schema"]["parameters"]["required"] == ["label", "new_string"]
    assert refused.status_code == 400


def test_tools_are_attached_and_detached(client_for, alice):
    tool = make_tool(alice, "echo", default_requires_approval=True)
    agent = make_agent(alice)
    client, path = client_for(alice), f"/v1/agents/{agent.pk}/tools"

    first = client.patch(f"{path}/attach/{tool.pk}").json()
    assert client.patch(f"{path}/attach/{tool.pk}", **CLIENT_1).json() is None

    assert [each["name"] for each in first["tools"]] == ["echo"]
    assert [rule["type"] for rule in first["tool_rules"]] == ["requires_approval"]
    assert names(client.get(path)) == ["echo"]
    for _ in range(2):
        assert client.patch(f"{path}/detach/{tool.pk}").json()["tools"] == []


def test_agent_is_created_with_tools_by_name_and_id(client_for, alice):
    tool = make_tool(alice, "echo")
    body = {"model": "openai/gpt-4o-mini", "tools": ["memory_rethink"], "tool_ids": [tool.pk]}

    reply = client_for(alice).post("/v1/agents/", body).json()

    assert [each["name"] for each in reply["tools"]] == [*BASE_TOOLS, "memory_rethink", "echo"]


def test_unknown_tool_name_is_v1s_400(client_for, alice):
    body = {"model": "openai/gpt-4o-mini", "tools": ["no_such_tool"]}

    reply = client_for(alice).post("/v1/agents/", body)

    assert reply.status_code == 400
    assert reply.json() == {"detail": "Tools not found by name: {'no_such_tool'}"}
    assert not Agent.objects.exists()


def test_tool_that_never_runs_is_warned_of(client_for, alice):
    body = {"model": "openai/gpt-4o-mini", "tools": ["web_search"]}

    reply = client_for(alice).post("/v1/agents/", body).json()

    assert reply["warnings"] == ["web_search is attached, but this server does not run it"]


@pytest.mark.parametrize("field", ["secrets", "tool_exec_environment_variables"])
def test_secrets_are_stored_encrypted_and_never_returned(client_for, alice, field):
    client, path = client_for(alice), "/v1/agents/"
    agent = client.post(path, {"model": "openai/gpt-4o-mini", field: {"A": "tide", "B": "b"}})
    path += agent.json()["id"]

    # The masked value keeps the stored one; names that are left out go.
    changed = client.patch(path, {field: {"A": MASK, "C": "ebb"}}).json()

    assert [(each["key"], each["value"]) for each in changed["secrets"]] == [
        ("A", MASK),
        ("C", MASK),
    ]
    assert changed["tool_exec_environment_variables"] == changed["secrets"]
    assert variables_of(Agent.objects.get()) == {"A": "tide", "C": "ebb"}
    assert "tide" not in agent.content.decode() + str(AgentVariable.objects.values())


@pytest.mark.parametrize(
    ("secrets", "detail"),
    [
        ({"A": 1}, "secrets.A: expected a string"),
        ({"A B": "x"}, "expected names of at most 200 letters"),
        ({f"N{n}": "x" for n in range(101)}, "expected at most 100 variables, got 101"),
    ],
)
def test_wrong_secrets_are_refused(client_for, alice, secrets, detail):
    reply = client_for(alice).post(
        "/v1/agents/", {"model": "openai/gpt-4o-mini", "secrets": secrets}
    )

    assert reply.status_code == 422
    assert detail in reply.json()["detail"]
    assert not Agent.objects.exists()


RULES = [
    {"type": "run_first", "tool_name": "a", "args": {"n": 1}},
    {"type": "exit_loop", "tool_name": "a"},
    {"type": "continue_loop", "tool_name": "a"},
    {"type": "max_count_per_step", "tool_name": "a", "max_count_limit": 2},
    {
        "type": "constrain_child_tools",
        "tool_name": "a",
        "children": ["b"],
        "child_arg_nodes": [{"name": "b", "args": {}}],
    },
    {"type": "parent_last_tool", "tool_name": "a", "children": ["b"]},
    {
        "type": "conditional",
        "tool_name": "a",
        "child_output_mapping": {"yes": "b"},
        "default_child": None,
        "require_output_mapping": True,
    },
    {"type": "required_before_exit", "tool_name": "a"},
    {"type": "requires_approval", "tool_name": "a"},
]


def test_rules_of_every_type_are_stored_and_returned(client_for, alice):
    agent = make_agent(alice)

    reply = client_for(alice).patch(f"/v1/agents/{agent.pk}", {"tool_rules": RULES}).json()

    assert reply["tool_rules"] == [{"prompt_template": None, **rule} for rule in RULES]


@pytest.mark.parametrize(
    ("rule", "detail"),
    [
        ({"type": "nope", "tool_name": "a"}, "tool_rules.0.type: expected one of run_first"),
        ({"type": "exit_loop"}, "tool_rules.0.tool_name: expected the name of a tool, got None"),
        (
            {"type": "max_count_per_step", "tool_name": "a", "max_count_limit": 0},
            "tool_rules.0.max_count_limit: expected an integer above 0, got 0",
        ),
        (
            {"type": "constrain_child_tools", "tool_name": "a"},
            "tool_rules.0.children: expected an array of names of tools, got None",
        ),
    ],
)
def test_wrong_rule_is_refused(client_for, alice, rule, detail):
    agent = make_agent(alice)

    reply = client_for(alice).patch(f"/v1/agents/{agent.pk}", {"tool_rules": [rule]})

    assert reply.status_code == 422
    assert reply.json()["detail"].startswith(detail)


@pytest.mark.django_db(transaction=True)
def test_built_in_tool_is_run_by_hand(client_for, alice):
    agent = make_agent(alice, labels=["human"], tools=["memory_insert"])
    path = f"/v1/agents/{agent.pk}/tools"
    arguments = {"label": "human", "new_string": "tall"}

    result = client_for(alice).post(f"{path}/memory_insert/run", {"args": arguments}).json()
    unknown = client_for(alice).post(f"{path}/nope/run", {"args": {}})

    assert (result["status"], result["func_return"]) == ("success", "about human\ntall")
    assert agent.blocks.get().value == "about human\ntall"
    assert unknown.status_code == 404


def test_source_is_run_once_as_a_message(client_for, alice, configure):
    configure(TOOL_RUNNER="off")
    body = {"source_code": DICE, "args": {"sides": 6}, "name": "roll_dice"}

    reply = client_for(alice).post("/v1/tools/run", body).json()

    assert (reply["id"], reply["message_type"]) == ("null", "tool_return_message")
    assert reply["status"] == "error"
    assert "does not run tools with source" in reply["tool_return"]
