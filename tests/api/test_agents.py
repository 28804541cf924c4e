import pytest

from conversations.domain.tools.catalog import named_tools
from conversations.domain.tools.definitions import BASE_TOOLS
from conversations.models import Agent, Block, Conversation

from ..factories import make_agent, make_block, make_conversation
from .stored_rows import stored

MODEL = "openai/gpt-4o-mini"


def test_create_agent_with_blocks_and_default_conversation(client_for, alice):
    block = make_block(alice, label="policy", value="be kind")

    reply = (
        client_for(alice)
        .post(
            "/v1/agents/",
            {
                "name": "Anna's agent",
                "model": MODEL,
                "system": "You sell tea.",
                "memory_blocks": [{"label": "human", "value": "Bob", "limit": 50}],
                "block_ids": [block.pk],
                "tags": ["b", "a"],
                "metadata": {"k": [1]},
                "timezone": "Europe/Lisbon",
                "context_window_limit": 9000,
                "tools": ["memory_rethink"],
                "isolated_labels": ["human"],
                "initial_message_sequence": [{"role": "user", "content": "Hi"}],
            },
        )
        .json()
    )

    agent = Agent.objects.get()
    default = agent.conversations.get()
    system, hello = (link.message for link in default.message_links.order_by("position"))
    assert [(b["label"], b["value"], b["limit"]) for b in reply["blocks"]] == [
        ("human", "Bob", 50),
        ("policy", "be kind", 100_000),
    ]
    assert reply["memory"]["blocks"] == reply["blocks"]
    assert [tool["name"] for tool in reply["tools"]] == [*BASE_TOOLS, "memory_rethink"]
    assert reply["message_ids"] == [system.pk, hello.pk]
    assert system.text.startswith("You sell tea.\n\n<memory_blocks>")
    assert "- CONVERSATION_ID: default" in system.text
    names = ("name", "tags", "metadata", "timezone", "isolated_labels", "agent_type")
    assert [reply[name] for name in names] == [
        "Anna's agent",
        ["b", "a"],
        {"k": [1]},
        "Europe/Lisbon",
        ["human"],
        "letta_v1_agent",
    ]
    assert reply["llm_config"]["context_window"] == 9000
    assert client_for(alice).get(f"/v1/agents/{agent.pk}").json() == reply


def test_create_agent_without_name_generates_one(client_for, alice):
    reply = client_for(alice).post("/v1/agents/", {"model": MODEL, "include_base_tools": False})

    assert reply.json()["name"].isalpha()
    assert (reply.json()["tools"], reply.json()["blocks"]) == ([], [])


@pytest.mark.parametrize(
    ("config", "model"),
    [
        ({"handle": "anthropic/claude"}, "anthropic/claude"),
        ({"model": "gpt-4o", "model_endpoint_type": "azure"}, "azure/gpt-4o"),
        ({"model": "gpt-4o", "provider_name": "mine", "context_window": 77}, "mine/gpt-4o"),
        ({"model": "gpt-4o", "unknown": {"x": 1}}, "openai/gpt-4o"),
    ],
)
def test_create_agent_accepts_llm_config(client_for, alice, config, model):
    reply = client_for(alice).post("/v1/agents/", {"llm_config": config})

    assert reply.json()["model"] == model
    assert reply.json()["llm_config"]["context_window"] == config.get("context_window", 128_000)


@pytest.mark.parametrize(
    ("body", "status", "expected"),
    [
        ({}, 400, "INVALID_ARGUMENT: Must specify either model or llm_config in request"),
        ({"model": "gpt-4o"}, 400, "INVALID_ARGUMENT: The model handle should be in the format "
                                   "provider/model-name, got 'gpt-4o'"),
        ({"llm_config": {}}, 422, "llm_config: expected a `handle` or a `model`"),
        ({"llm_config": {"handle": 5}}, 422, "llm_config.handle: expected a string, got 5"),
        ({"llm_config": {"model": "m", "context_window": 10**12}}, 422,
         "llm_config.context_window: expected at most 2147483647, got 1000000000000"),
        ({"model": MODEL, "name": "a/b"}, 422,
         "name: expected letters, digits, spaces, hyphens, underscores and apostrophes, "
         "got 'a/b'"),
        ({"model": MODEL, "name": ""}, 422,
         "name: expected at least one character, got an empty string"),
        ({"model": MODEL, "timezone": "Nowhere/Land"}, 422,
         "timezone: expected an IANA name like 'Europe/Lisbon', got 'Nowhere/Land'"),
        ({"model": MODEL, "timezone": "../../etc/passwd"}, 422,
         "timezone: expected an IANA name like 'Europe/Lisbon', got '../../etc/passwd'"),
        ({"model": MODEL, "context_window_limit": 0}, 422,
         "context_window_limit: expected at least 1, got 0"),
        ({"model": MODEL, "block_ids": ["block-1"]}, 422,
         "block_ids: expected block-<uuid4>, got 'block-1'"),
        ({"model": MODEL, "block_ids": ["block-00000000-0000-4000-8000-000000000000"]}, 404,
         "block_ids: Block with id 'block-00000000-0000-4000-8000-000000000000' not found"),
        ({"model": MODEL, "tool_ids": ["tool-1"]}, 404,
         "tool_ids: Tool with id 'tool-1' not found"),
        ({"model": MODEL, "memory_blocks": [{"label": "a"}, {"label": "a"}]}, 400,
         "INVALID_ARGUMENT: Labels named more than once: 'a'"),
        ({"model": MODEL, "memory_blocks": [{"label": "a", "value": "xx", "limit": 1}]}, 422,
         "value: expected at most 1 characters in block 'a', got 2"),
        ({"model": MODEL, "memory_blocks": [{"label": "x" * 201}]}, 422,
         "memory_blocks.0.label: Ensure this field has no more than 200 characters."),
        ({"model": MODEL, "memory_blocks": [{}]}, 422, "memory_blocks.0.label: field required"),
        ({"model": MODEL, "initial_message_sequence": [{"role": "tool", "content": ""}]}, 422,
         "initial_message_sequence.0.role: expected one of 'user', 'assistant', 'system', "
         "got 'tool'"),
    ],
)  # fmt: skip
def test_create_invalid_agent_stores_nothing(client_for, alice, body, status, expected):
    """V1 dropped repeated blocks, ignored missing ones and returned 500 for a bad name."""
    before = stored()

    reply = client_for(alice).post("/v1/agents/", body)

    assert reply.status_code == status
    assert reply.json() == {"detail": expected}
    assert stored() == before


def test_policy_with_unknown_label_is_rejected(client_for, alice):
    before = stored()

    reply = client_for(alice).post("/v1/agents/", {"model": MODEL, "isolated_labels": ["todo"]})

    assert reply.status_code == 400
    assert "Block with label 'todo' not found on agent" in reply.json()["detail"]
    assert stored() == before


@pytest.mark.parametrize("existing", ["memory_blocks", "block_ids"])
def test_create_agent_with_repeated_label_is_rejected(client_for, alice, existing):
    first, second = (make_block(alice, label="human") for _ in range(2))
    body = {"memory_blocks": [{"label": "human"}]} if existing == "memory_blocks" else {}
    ids = [first.pk] if body else [first.pk, second.pk]
    before = stored()

    reply = client_for(alice).post("/v1/agents/", {"model": MODEL, "block_ids": ids, **body})

    assert reply.status_code == 400
    assert reply.json() == {"detail": "INVALID_ARGUMENT: Labels named more than once: 'human'"}
    assert stored() == before


CHANGES = {
    "name": "Renamed",
    "description": "what for",
    "system": "You sell tea.",
    "model": "anthropic/claude",
    "model_settings": {"provider_type": "anthropic"},
    "embedding": "openai/text-embedding-3-small",
    "timezone": "Asia/Tokyo",
    "tags": ["x"],
    "metadata": {"a": 1},
    "hidden": True,
    "isolated_labels": ["human"],
}


@pytest.mark.parametrize("field", CHANGES)
def test_update_changes_only_given_fields(client_for, alice, field):
    agent = make_agent(alice, labels=["human"], tags=["t"])
    client, path = client_for(alice), f"/v1/agents/{agent.pk}"
    before = client.get(path).json()

    changed = client.patch(path, {field: CHANGES[field]}).json()

    moved = {name: changed[name] for name in ("updated_at", "llm_config", "embedding_config")}
    assert changed == client.get(path).json() == {**before, field: CHANGES[field], **moved}
    assert (changed["llm_config"] == before["llm_config"]) == (field != "model")
    assert (changed["embedding_config"] is None) == (field != "embedding")


@pytest.mark.parametrize("field", [name for name in CHANGES if name != "description"])
def test_update_with_null_changes_nothing(client_for, alice, field):
    agent = make_agent(alice, labels=["human"], **CHANGES)
    client, path = client_for(alice), f"/v1/agents/{agent.pk}"
    before = client.get(path).json()

    changed = client.patch(path, {field: None}).json()

    assert changed == {**before, "updated_at": changed["updated_at"]}


def test_update_with_null_clears_description(client_for, alice):
    agent = make_agent(alice, description="what for")

    reply = client_for(alice).patch(f"/v1/agents/{agent.pk}", {"description": None})

    assert reply.json()["description"] is None


def test_update_replaces_lists(client_for, alice):
    agent = make_agent(alice, labels=["human", "persona"], tags=["old"])
    kept = agent.blocks.get(label="persona")
    new = make_block(alice, label="human", value="new")
    [tool] = named_tools(alice.organization, ["memory_rethink"])

    reply = (
        client_for(alice)
        .patch(
            f"/v1/agents/{agent.pk}",
            {
                "block_ids": [new.pk, kept.pk],
                "tags": ["new"],
                "tool_ids": [tool.pk],
            },
        )
        .json()
    )

    assert [block["id"] for block in reply["blocks"]] == [new.pk, kept.pk]
    assert reply["tags"] == ["new"]
    assert [tool["name"] for tool in reply["tools"]] == ["memory_rethink"]
    text = agent.conversations.get().messages.get().text
    assert "<value>\nnew\n</value>" in text
    assert text.index("<human>") < text.index("<persona>")


def test_update_with_empty_lists_clears_them(client_for, alice):
    agent = make_agent(alice, labels=["human"], tags=["old"])

    reply = client_for(alice).patch(f"/v1/agents/{agent.pk}", {"block_ids": [], "tags": []})

    assert (reply.json()["blocks"], reply.json()["tags"]) == ([], [])
    assert "<memory_blocks>" not in agent.conversations.get().messages.get().text


def test_delete_agent_hides_conversations_keeps_blocks(client_for, alice):
    """V1 kept the isolated blocks visible."""
    agent = make_agent(alice, labels=["human"])
    conversation = make_conversation(agent, isolated=["human"])
    own, shared = conversation.isolated_blocks.get().pk, agent.blocks.get().pk
    client = client_for(alice)

    reply = client.delete(f"/v1/agents/{agent.pk}")

    assert reply.status_code == 200
    assert reply.json() == {"message": f"Agent id={agent.pk} successfully deleted"}
    paths = [f"agents/{agent.pk}", f"conversations/{conversation.pk}", f"blocks/{own}"]
    assert [client.get(f"/v1/{path}").status_code for path in paths] == [404, 404, 404]
    lists = ["agents/", "conversations/", "messages/", "runs/", f"blocks/{shared}/agents"]
    assert [client.get(f"/v1/{path}").json() for path in lists] == [[]] * 5
    assert [b["id"] for b in client.get("/v1/blocks/?include_isolated=true").json()] == [shared]
    assert Conversation.objects.count() == 2
    assert Block.objects.count() == 2


@pytest.mark.parametrize("path", ["recompile", "system-prompt/recompile"])
def test_recompile_returns_stored_prompt(client_for, alice, path):
    """V1 returned the previous prompt."""
    agent = make_agent(alice, labels=["human"])
    system = agent.conversations.get().messages.get()
    type(system).objects.update(content=[{"type": "text", "text": "old"}])
    client = client_for(alice)

    dry = client.post(f"/v1/agents/{agent.pk}/{path}?dry_run=true").json()
    system.refresh_from_db()
    untouched = system.text
    text = client.post(f"/v1/agents/{agent.pk}/{path}").json()

    system.refresh_from_db()
    assert untouched == "old"
    assert system.text == text
    assert "<value>\nabout human\n</value>" in dry
    assert "<value>\nabout human\n</value>" in text
