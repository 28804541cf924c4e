"""The environment variables of an agent's tools: V1's secrets."""

import re
from collections.abc import Mapping
from typing import Final, Literal

from ...models import Agent, AgentVariable
from ..errors import InvalidValue

# What is shown instead of a value. Given as a value, it keeps the stored one.
MASK: Final[Literal["********"]] = "********"
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
MAX_VARIABLES = 100
MAX_NAME_LENGTH = 200


def check_variables(variables: Mapping[str, str]) -> None:
    """Raise InvalidValue for a name that no environment variable can have, or for too many."""
    if len(variables) > MAX_VARIABLES:
        raise InvalidValue(
            "secrets", f"expected at most {MAX_VARIABLES} variables, got {len(variables)}"
        )
    for name, value in variables.items():
        if not NAME.fullmatch(name) or len(name) > MAX_NAME_LENGTH:
            raise InvalidValue(
                "secrets",
                f"expected names of at most {MAX_NAME_LENGTH} letters, digits and underscores, "
                f"got {name!r}",
            )
        if "\0" in value:
            raise InvalidValue(f"secrets.{name}", "has a NUL character, which can't be stored")


def replace_variables(agent: Agent, variables: Mapping[str, str]) -> None:
    """Give the agent's tools these environment variables and no others.

    The caller has locked the agent.
    """
    check_variables(variables)
    stored = {variable.name: variable for variable in agent.variables.all()}
    agent.variables.exclude(name__in=variables).delete()
    for name, value in variables.items():
        if value == MASK and name in stored:
            continue
        variable = stored.get(name) or AgentVariable(agent=agent, name=name)
        variable.value = value
        variable.save()


def variables_of(agent: Agent) -> dict[str, str]:
    """Return the environment variables in clear, for the tools. Raises SecretUnreadable."""
    return {variable.name: variable.value.reveal() for variable in agent.variables.all()}
