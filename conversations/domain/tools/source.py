"""The JSON schema of a tool, derived from its Python source by parsing it; nothing is executed."""

import ast
from collections.abc import Iterable
from typing import Any

from docstring_parser import DocstringStyle, parse

from ..errors import InvalidArgument

Schema = dict[str, Any]
Function = ast.FunctionDef | ast.AsyncFunctionDef

# In characters; Python's parser needs many times the memory.
MAX_SOURCE_LENGTH = 500_000
MAX_TYPES = 2_000
# Parameters that the server sets.
RESERVED = frozenset({"self", "agent_state", "agent_id", "client"})
_TYPES = {
    "str": "string",
    "int": "integer",
    "float": "number",
    "bool": "boolean",
    "dict": "object",
    "Dict": "object",
    "Mapping": "object",
    "list": "array",
    "List": "array",
    "Sequence": "array",
    "set": "array",
    "Set": "array",
    "tuple": "array",
    "Tuple": "array",
    "Any": None,
    "object": None,
    "None": "null",
    "bytes": "string",
    "date": "string",
    "datetime": "string",
}


class NoSchema(InvalidArgument):
    """No JSON schema can be derived from a source; the text names the line and what it lacks."""


def parse_source(source: str) -> ast.Module:
    """Parse a source. Raises NoSchema."""
    if len(source) > MAX_SOURCE_LENGTH:
        raise NoSchema(f"The source has more than {MAX_SOURCE_LENGTH} characters")
    try:
        return ast.parse(source)
    except SyntaxError as error:
        raise NoSchema(
            f"Failed to parse source code: {error.msg} (<unknown>, line {error.lineno})"
        ) from None
    # CPython 3.11 raises SystemError for some sources that nest too deeply.
    except (ValueError, RecursionError, MemoryError, SystemError) as error:
        raise NoSchema(f"Failed to parse source code: {error}") from None


def tool_function(module: ast.Module) -> Function:
    """Return the function that is the tool: the last one, as in V1. Raises NoSchema."""
    functions = [node for node in module.body if isinstance(node, Function)]
    if not functions:
        raise NoSchema("No functions found in source code")
    return functions[-1]


def schema_of_source(source: str, args_schema: Schema | None = None) -> Schema:
    """Return name, description and parameters of the function in a source.

    Types come from annotations, descriptions from the docstring in Google's style. `args_schema`,
    a JSON schema, replaces the parameters. Raises NoSchema.
    """
    module = parse_source(source)
    function = tool_function(module)
    docstring = ast.get_docstring(function)
    if not docstring:
        raise NoSchema(f"Function {function.name} missing docstring (line {function.lineno})")
    documented = parse(docstring, style=DocstringStyle.GOOGLE)
    if args_schema and args_schema.get("properties"):
        parameters = {"type": "object", "required": [], **args_schema}
    else:
        descriptions = {each.arg_name: each.description or "" for each in documented.params}
        try:
            parameters = _parameters(function, _Types(module), descriptions)
        except RecursionError:
            raise NoSchema(f"The types of {function.name} nest too deeply") from None
    return {
        "name": function.name,
        "description": (documented.description or docstring).strip(),
        "parameters": parameters,
    }


def _parameters(function: Function, types: "_Types", descriptions: dict[str, str]) -> Schema:
    arguments = function.args
    for variadic in (arguments.vararg, arguments.kwarg):
        if variadic is not None:
            raise NoSchema(
                f"Parameter {variadic.arg} of {function.name} takes any number of arguments "
                f"(line {variadic.lineno}); expected named ones"
            )
    positional = [*arguments.posonlyargs, *arguments.args]
    without_default = len(positional) - len(arguments.defaults)
    given = [(each, index < without_default) for index, each in enumerate(positional)]
    given += [
        (each, default is None)
        for each, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    ]
    properties: dict[str, Schema] = {}
    required: list[str] = []
    for argument, is_required in given:
        if argument.arg in RESERVED:
            continue
        if argument.annotation is None:
            raise NoSchema(
                f"Parameter {argument.arg} of {function.name} lacks a type annotation "
                f"(line {argument.lineno})"
            )
        schema = types.schema(argument.annotation)
        if description := descriptions.get(argument.arg):
            schema = {**schema, "description": description}
        properties[argument.arg] = schema
        if is_required:
            required.append(argument.arg)
    return {"type": "object", "properties": properties, "required": required}


class _Types:
    """Turns annotations into JSON schemas, with the pydantic models that the source defines."""

    def __init__(self, module: ast.Module) -> None:
        self._classes = {node.name: node for node in module.body if isinstance(node, ast.ClassDef)}
        self._open: list[str] = []
        self._count = 0

    def schema(self, annotation: ast.expr) -> Schema:
        """Return the JSON schema of an annotation. Raises NoSchema for an unknown type."""
        # Models that contain others twice can grow without end.
        self._count += 1
        if self._count > MAX_TYPES:
            raise NoSchema(f"More than {MAX_TYPES} types (line {annotation.lineno})")
        if isinstance(annotation, ast.Constant):
            if isinstance(annotation.value, str):
                try:
                    return self.schema(ast.parse(annotation.value, mode="eval").body)
                except (SyntaxError, ValueError):
                    raise NoSchema(
                        f"Unknown type {annotation.value!r} (line {annotation.lineno})"
                    ) from None
            if annotation.value is None:
                return {"type": "null"}
        if isinstance(annotation, ast.BinOp) and isinstance(annotation.op, ast.BitOr):
            return self._union([annotation.left, annotation.right])
        if isinstance(annotation, ast.Subscript):
            return self._generic(annotation)
        name = _name(annotation)
        if name in self._classes:
            return self._model(self._classes[name])
        if name in _TYPES:
            kind = _TYPES[name]
            schema: Schema = {} if kind is None else {"type": kind}
            return {**schema, "items": {}} if kind == "array" else schema
        raise NoSchema(
            f"Unknown type {ast.unparse(annotation)} (line {annotation.lineno}); expected a "
            "built-in type, Literal, Optional, list, dict or a pydantic model of this source"
        )

    def _generic(self, annotation: ast.Subscript) -> Schema:
        name = _name(annotation.value)
        inner = annotation.slice
        items = list(inner.elts) if isinstance(inner, ast.Tuple) else [inner]
        if name == "Optional":
            return self._union(items)
        if name == "Union":
            return self._union(items)
        if name == "Annotated":
            schema = self.schema(items[0])
            notes = [note.value for note in items[1:] if isinstance(note, ast.Constant)]
            texts = [note for note in notes if isinstance(note, str)]
            return {**schema, "description": texts[0]} if texts else schema
        if name == "Literal":
            return _literal(annotation, items)
        kind = _TYPES.get(name)
        if kind == "array":
            element = items[0]
            return {"type": "array", "items": self.schema(element)}
        if kind == "object":
            values = self.schema(items[1]) if len(items) == 2 else {}
            return {"type": "object", "additionalProperties": values or True}
        raise NoSchema(f"Unknown type {ast.unparse(annotation)} (line {annotation.lineno})")

    def _union(self, items: Iterable[ast.expr]) -> Schema:
        """Return the schema of a union. None stands for an absent argument."""
        schemas = [schema for item in items if (schema := self.schema(item)) != {"type": "null"}]
        if len(schemas) == 1:
            return schemas[0]
        flat = [each for schema in schemas for each in schema.get("anyOf", [schema])]
        return {"anyOf": flat}

    def _model(self, node: ast.ClassDef) -> Schema:
        if node.name in self._open:
            raise NoSchema(f"{node.name} contains itself (line {node.lineno})")
        bases = {_name(base) for base in node.bases}
        if "Enum" in bases or "StrEnum" in bases:
            values = [item.value for item in node.body if isinstance(item, ast.Assign)]
            return _literal(node, values)
        self._open.append(node.name)
        properties: dict[str, Schema] = {}
        required: list[str] = []
        for base in bases:
            if base in self._classes:
                inherited = self._model(self._classes[base])
                properties |= inherited["properties"]
                required += inherited["required"]
        for item in node.body:
            if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
                field = item.target.id
                schema = self.schema(item.annotation)
                description, has_default = _field(item.value)
                properties[field] = (
                    {**schema, "description": description} if description else schema
                )
                if not has_default:
                    required.append(field)
        self._open.pop()
        model: Schema = {"type": "object", "properties": properties, "required": required}
        if docstring := ast.get_docstring(node):
            model["description"] = docstring
        return model


def _name(node: ast.expr) -> str:
    """Return the last part of a dotted name, or an empty text."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _literal(node: ast.expr | ast.ClassDef, items: Iterable[ast.expr]) -> Schema:
    values = []
    for item in items:
        try:
            values.append(ast.literal_eval(item))
        except ValueError:
            raise NoSchema(f"Expected constants (line {node.lineno})") from None
    values = [value for value in values if isinstance(value, str | int | float | bool)]
    kinds = {_TYPES[type(value).__name__] for value in values}
    schema: Schema = {"enum": values}
    return {"type": kinds.pop(), **schema} if len(kinds) == 1 else schema


def _field(value: ast.expr | None) -> tuple[str, bool]:
    """Return the description of a pydantic field, and whether it has a default."""
    if not (isinstance(value, ast.Call) and _name(value.func) == "Field"):
        return "", value is not None
    keywords = {each.arg: each.value for each in value.keywords if each.arg}
    text = keywords.get("description")
    description = text.value if isinstance(text, ast.Constant) else ""
    first = value.args[0] if value.args else keywords.get("default")
    is_required = first is None or (isinstance(first, ast.Constant) and first.value is Ellipsis)
    has_default = not is_required or "default_factory" in keywords
    return str(description), has_default
