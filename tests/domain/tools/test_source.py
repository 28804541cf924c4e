"""JSON schemas derived from Python source."""

import pytest

from conversations.domain.tools.source import NoSchema, schema_of_source

DICE = '''
def helper(x):
    return x

def roll(sides: int, times: int = 1) -> str:
    """Roll a die.

    As often as you like.

    Args:
        sides (int): number of sides
        times (int): how often

    Returns:
        str: what came
    """
    raise SystemExit("executed")
'''


def one(annotation: str, before: str = "") -> dict:
    source = f'{before}\ndef f(a: {annotation}):\n    """Do."""\n'
    return schema_of_source(source)["parameters"]["properties"]["a"]


def test_last_function_is_described_by_annotations_and_docstring():
    schema = schema_of_source(DICE)

    assert schema["name"] == "roll"
    assert schema["description"] == "Roll a die.\n\nAs often as you like."
    assert schema["parameters"] == {
        "type": "object",
        "properties": {
            "sides": {"type": "integer", "description": "number of sides"},
            "times": {"type": "integer", "description": "how often"},
        },
        "required": ["sides"],
    }


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        ("str", {"type": "string"}),
        ("float", {"type": "number"}),
        ("bool | None", {"type": "boolean"}),
        ("Optional[list[int]]", {"type": "array", "items": {"type": "integer"}}),
        ("'typing.List[str]'", {"type": "array", "items": {"type": "string"}}),
        ("dict[str, int]", {"type": "object", "additionalProperties": {"type": "integer"}}),
        ("Dict[str, Any]", {"type": "object", "additionalProperties": True}),
        ("Literal['a', 'b']", {"type": "string", "enum": ["a", "b"]}),
        ("Literal['a', 1]", {"enum": ["a", 1]}),
        ("int | str", {"anyOf": [{"type": "integer"}, {"type": "string"}]}),
        ("list", {"type": "array", "items": {}}),
        ("Annotated[int, 'how many']", {"type": "integer", "description": "how many"}),
    ],
)
def test_annotation_becomes_schema(annotation, expected):
    assert one(annotation) == expected


def test_pydantic_model_of_the_source_becomes_an_object():
    model = """
class Size(BaseModel):
    width: int = Field(..., description="in mm")
    unit: str = "mm"
"""
    assert one("list[Size]", model)["items"] == {
        "type": "object",
        "properties": {
            "width": {"type": "integer", "description": "in mm"},
            "unit": {"type": "string"},
        },
        "required": ["width"],
    }


def test_parameters_that_the_server_sets_are_left_out():
    source = 'def f(agent_state: "AgentState", a: int):\n    """Do."""\n'

    assert schema_of_source(source)["parameters"]["required"] == ["a"]


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("def broken(:\n  pass", "Failed to parse source code: invalid syntax (<unknown>, line 1)"),
        ("x = 1", "No functions found in source code"),
        ("def f(a: int):\n    return a", "Function f missing docstring (line 1)"),
        ('\ndef f(a):\n    """Do."""', "Parameter a of f lacks a type annotation (line 2)"),
        ('def f(a: Socket):\n    """Do."""', "Unknown type Socket (line 1)"),
        (
            'def f(*a: int):\n    """Do."""',
            "Parameter a of f takes any number of arguments (line",
        ),
        ('class A:\n    a: "A"\ndef f(a: A):\n    """Do."""', "A contains itself (line 1)"),
        ('def f(a: "int("):\n    """Do."""', "Unknown type 'int(' (line 1)"),
        ("\0", "Failed to parse source code"),
        ("(" * 5000, "Failed to parse source code"),
    ],
)
def test_missing_part_is_named_with_its_line(source, problem):
    with pytest.raises(NoSchema) as caught:
        schema_of_source(source)

    assert problem in str(caught.value)
