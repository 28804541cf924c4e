"""Tool rules: which tools a model may call next, which it must call, and which end a turn.

The rules are V1's, stored as V1 writes them. Their names on the wire: `run_first`, `exit_loop`,
`continue_loop`, `max_count_per_step` (of a turn, despite its name), `constrain_child_tools`,
`parent_last_tool`, `conditional`, `required_before_exit` and `requires_approval`.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ...models.agents import REQUIRES_APPROVAL
from ..errors import InvalidValue

Rule = dict[str, Any]


class _Field(NamedTuple):
    """A field of a rule: what it takes, in words and as a check, and its default."""

    expected: str
    accepts: Callable[[Any], bool]
    default: Any = None
    is_required: bool = False


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _is_mapping(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(name, str) for name in value.values())


def _is_limit(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _is_argument_nodes(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(node, dict)
        and isinstance(node.get("name"), str)
        and isinstance(node.get("args"), dict | None)
        for node in value
    )


_CHILDREN = _Field("an array of names of tools", _is_names, is_required=True)
_FIELDS: dict[str, dict[str, _Field]] = {
    "run_first": {"args": _Field("an object", _is_object)},
    "exit_loop": {},
    "continue_loop": {},
    "max_count_per_step": {
        "max_count_limit": _Field("an integer above 0", _is_limit, is_required=True)
    },
    "constrain_child_tools": {
        "children": _CHILDREN,
        "child_arg_nodes": _Field("an array of {name, args}", _is_argument_nodes),
    },
    "parent_last_tool": {"children": _CHILDREN},
    "conditional": {
        "child_output_mapping": _Field(
            "an object with names of tools as its values", _is_mapping, is_required=True
        ),
        "default_child": _Field("the name of a tool", _is_text),
        "require_output_mapping": _Field(
            "true or false", lambda value: isinstance(value, bool), default=False
        ),
    },
    "required_before_exit": {},
    REQUIRES_APPROVAL: {},
}
_COMMON = {"prompt_template": _Field("a string", _is_text)}


def checked_rules(rules: Iterable[Any]) -> list[Rule]:
    """Return rules with their defaults. Raises InvalidValue that names the rule and the field."""
    return [_checked(rule, f"tool_rules.{index}") for index, rule in enumerate(rules)]


def _checked(rule: Any, path: str) -> Rule:
    if not isinstance(rule, dict):
        raise InvalidValue(path, "expected an object")
    kind = rule.get("type")
    if kind not in _FIELDS:
        raise InvalidValue(f"{path}.type", f"expected one of {', '.join(_FIELDS)}, got {kind!r}")
    name = rule.get("tool_name")
    if not isinstance(name, str) or not name:
        raise InvalidValue(f"{path}.tool_name", f"expected the name of a tool, got {name!r}")
    checked: Rule = {"tool_name": name, "type": kind}
    for key, field in {**_COMMON, **_FIELDS[kind]}.items():
        value = rule.get(key, field.default)
        if value is None and not field.is_required:
            value = field.default
        elif not field.accepts(value):
            raise InvalidValue(f"{path}.{key}", f"expected {field.expected}, got {value!r}")
        checked[key] = value
    return checked


def with_approvals(rules: Sequence[Rule], names: Iterable[str]) -> list[Rule]:
    """Return the rules with these names, and no others, as those whose calls need approval."""
    others = [rule for rule in rules if rule["type"] != REQUIRES_APPROVAL]
    added = [{"type": REQUIRES_APPROVAL, "tool_name": name} for name in dict.fromkeys(names)]
    return [*others, *checked_rules(added)]


@dataclass(frozen=True)
class ToolRules:
    """An agent's rules at one moment of a turn.

    `called` are the names of the tools called in this turn, in order; `last_result` is what the
    last of them returned.
    """

    rules: Sequence[Rule]
    called: Sequence[str] = ()
    last_result: str = ""

    def _of(self, kind: str, name: str | None = None) -> list[Rule]:
        return [
            rule
            for rule in self.rules
            if rule["type"] == kind and (name is None or rule["tool_name"] == name)
        ]

    @property
    def constrain(self) -> bool:
        """Return whether any rule is about more than approval."""
        return any(rule["type"] != REQUIRES_APPROVAL for rule in self.rules)

    def allowed(self, names: Iterable[str]) -> list[str]:
        """Return those of the tools that may be called next."""
        names = list(names)
        if not self.called and (first := self._of("run_first")):
            return [name for name in names if name in {rule["tool_name"] for rule in first}]
        last = self.called[-1] if self.called else None
        allowed = set(names)
        for rule in self.rules:
            kind, name = rule["type"], rule["tool_name"]
            if kind == "constrain_child_tools" and last == name:
                allowed &= set(rule["children"])
            elif kind == "parent_last_tool":
                children = set(rule["children"])
                allowed = allowed & children if last == name else allowed - children
            elif kind == "conditional" and last == name:
                allowed &= self._children(rule, allowed)
        return [name for name in names if name in allowed and self.is_below_maximum(name)]

    def is_below_maximum(self, name: str, called: Sequence[str] | None = None) -> bool:
        """Return whether a tool may be called again, after the calls so far or after `called`."""
        count = (self.called if called is None else called).count(name)
        return all(count < rule["max_count_limit"] for rule in self._of("max_count_per_step", name))

    def _children(self, rule: Rule, allowed: set[str]) -> set[str]:
        for key, child in rule["child_output_mapping"].items():
            if _is_same_output(self.last_result, key):
                return {child}
        if rule["require_output_mapping"]:
            return set()
        return {rule["default_child"]} if rule["default_child"] else allowed

    @property
    def must_call(self) -> bool:
        """Return whether the model has to call one of the allowed tools now."""
        if not self.called:
            return bool(self._of("run_first"))
        return self._has_children(self.called[-1])

    def _has_children(self, name: str) -> bool:
        kinds = ("constrain_child_tools", "parent_last_tool", "conditional")
        return any(self._of(kind, name) for kind in kinds)

    def missing_before_exit(self, names: Iterable[str]) -> list[str]:
        """Return those of the tools that have to be called before the turn ends."""
        names = set(names)
        required = [rule["tool_name"] for rule in self._of("required_before_exit")]
        return [name for name in required if name in names and name not in self.called]

    def ends_turn(self, name: str) -> bool:
        """Return whether a call of this tool ends the turn."""
        return bool(self._of("exit_loop", name))

    def continues_turn(self, name: str) -> bool:
        """Return whether the turn goes on after a call of this tool."""
        return bool(self._of("continue_loop", name)) or self._has_children(name)

    def arguments_for(self, name: str) -> dict[str, Any]:
        """Return the arguments that the rules set for the next call of a tool."""
        if not self.called:
            nodes = [(rule["tool_name"], rule["args"]) for rule in self._of("run_first")]
        else:
            nodes = [
                (node["name"], node.get("args"))
                for rule in self._of("constrain_child_tools", self.called[-1])
                for node in rule["child_arg_nodes"] or []
            ]
        set_arguments: dict[str, Any] = {}
        for tool_name, arguments in nodes:
            if tool_name == name:
                set_arguments |= arguments or {}
        return set_arguments


def _is_same_output(output: str, key: str) -> bool:
    if output == key:
        return True
    try:
        # True is "True" in Python and "true" in JSON; 1.0 equals 1, but not true.
        found, wanted = json.loads(output.strip().lower()), json.loads(key.strip().lower())
    except (ValueError, RecursionError):
        return output.strip().lower() == key.strip().lower() == "none"
    return bool(found == wanted) and isinstance(found, bool) == isinstance(wanted, bool)
