"""The lists of built-in tools."""

import inspect
from typing import get_args, get_type_hints

from conversations.domain.tools.definitions import BASE_TOOLS, BUILT_IN_TYPES, FUNCTIONS
from conversations.domain.tools.execution import TOOLS


def test_every_definition_has_its_function():
    assert TOOLS.keys() == FUNCTIONS.keys() == BUILT_IN_TYPES.keys()
    assert set(BASE_TOOLS) <= FUNCTIONS.keys()


def test_functions_take_the_defined_arguments():
    for name, function in TOOLS.items():
        taken = dict(inspect.signature(function).parameters)
        if arguments := taken.pop("arguments", None):
            taken |= get_type_hints(get_args(arguments.annotation)[0])
        taken = taken.keys() - {"conversation", "by"}
        assert taken == FUNCTIONS[name]["parameters"]["properties"].keys(), name
