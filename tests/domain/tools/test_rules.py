"""Tool rules at one moment of a turn."""

import pytest

from conversations.domain.tools.rules import ToolRules, checked_rules

TOOLS = ["a", "b", "c"]


def rules(*given: dict, called=(), last_result="") -> ToolRules:
    return ToolRules(checked_rules(given), called, last_result)


def conditional(**fields) -> dict:
    mapping = {"true": "b", "1": "c", "None": "a"}
    return {"type": "conditional", "tool_name": "a", "child_output_mapping": mapping, **fields}


@pytest.mark.parametrize(
    ("rule", "called", "allowed"),
    [
        ({"type": "run_first", "tool_name": "a"}, (), ["a"]),
        ({"type": "run_first", "tool_name": "a"}, ("a",), TOOLS),
        ({"type": "run_first", "tool_name": "gone"}, (), []),
        ({"type": "constrain_child_tools", "tool_name": "a", "children": ["b"]}, (), TOOLS),
        ({"type": "constrain_child_tools", "tool_name": "a", "children": ["b"]}, ("a",), ["b"]),
        ({"type": "constrain_child_tools", "tool_name": "a", "children": ["b"]}, ("a", "b"), TOOLS),
        ({"type": "parent_last_tool", "tool_name": "a", "children": ["b"]}, (), ["a", "c"]),
        ({"type": "parent_last_tool", "tool_name": "a", "children": ["b"]}, ("a",), ["b"]),
        (
            {"type": "max_count_per_step", "tool_name": "a", "max_count_limit": 2},
            ("a", "b", "a"),
            ["b", "c"],
        ),
        ({"type": "requires_approval", "tool_name": "a"}, ("a",), TOOLS),
    ],
)
def test_rule_allows_tools(rule, called, allowed):
    assert rules(rule, called=called).allowed(TOOLS) == allowed


@pytest.mark.parametrize(
    ("result", "fields", "allowed"),
    [
        ("True", {}, ["b"]),
        ("1.0", {}, ["c"]),
        ("None", {}, ["a"]),
        ("other", {}, TOOLS),
        ("other", {"default_child": "c"}, ["c"]),
        ("other", {"require_output_mapping": True}, []),
    ],
)
def test_result_decides_on_the_next_tool(result, fields, allowed):
    found = rules(conditional(**fields), called=("a",), last_result=result)

    assert found.allowed(TOOLS) == allowed


def test_rules_tell_what_must_follow():
    required = rules({"type": "required_before_exit", "tool_name": "a"})
    first = rules({"type": "run_first", "tool_name": "a", "args": {"n": 1}})

    assert required.missing_before_exit(TOOLS) == ["a"]
    assert required.missing_before_exit(["b"]) == []
    assert first.must_call
    assert first.arguments_for("a") == {"n": 1}
    assert not rules().must_call
