"""Lists of agents, and the relations that a client requests."""

import pytest

from ..factories import make_agent


@pytest.mark.parametrize(
    ("headers", "query", "filled"),
    [
        ({}, "", {"blocks", "tools", "tags"}),
        ({"HTTP_X_STAINLESS_PACKAGE_VERSION": "0.9.1"}, "", {"blocks", "tools", "tags"}),
        ({"HTTP_X_STAINLESS_PACKAGE_VERSION": "1.7.12"}, "", set()),
        ({"HTTP_X_STAINLESS_PACKAGE_VERSION": "1.7.12"}, "?include=agent.tags", {"tags"}),
        ({}, "?include=agent.blocks&include=agent.tools", {"blocks", "tools"}),
    ],
)
def test_list_fills_requested_relations(client_for, alice, headers, query, filled):
    agent = make_agent(alice, labels=["human"], tags=["t"], tools=["memory_insert"])
    client = client_for(alice)

    answers = [
        client.get(f"/v1/agents/{agent.pk}{query}", **headers).json(),
        client.get(f"/v1/agents/{query}", **headers).json()[0],
    ]

    relations = ("blocks", "tools", "tags")
    assert [{name for name in relations if answer[name]} for answer in answers] == [filled] * 2


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["Gamma", "Beta", "Alpha"]),
        ("name=Beta", ["Beta"]),
        ("query_text=BET", ["Beta"]),
        ("query_text=%25", []),
        ("tags=x", ["Beta", "Alpha"]),
        ("tags=x&tags=y", ["Gamma", "Beta", "Alpha"]),
        ("tags=x&tags=y&match_all_tags=true", ["Beta"]),
        ("show_hidden_agents=true", ["Hidden", "Gamma", "Beta", "Alpha"]),
        ("project_id=p", []),
        ("identifier_keys=k", []),
        ("last_stop_reason=end_turn", []),
        ("created_by_id=user-00000000-0000-4000-8000-000000000000", []),
    ],
)
def test_list_and_count_agree(client_for, alice, query, names):
    for name, tags in [("Alpha", ["x"]), ("Beta", ["x", "y"]), ("Gamma", ["y"])]:
        make_agent(alice, name=name, tags=tags)
    make_agent(alice, name="Hidden", hidden=True)
    client = client_for(alice)

    listed = [agent["name"] for agent in client.get(f"/v1/agents/?{query}").json()]

    assert listed == names
    assert client.get(f"/v1/agents/count?{query}").json() == len(names)


def test_list_accepts_older_order_parameters(client_for, alice):
    first, second = make_agent(alice), make_agent(alice)
    client = client_for(alice)

    reply = client.get("/v1/agents/?sort_by=created_at&ascending=true")

    assert [agent["id"] for agent in reply.json()] == [first.pk, second.pk]
