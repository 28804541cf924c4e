"""Finding stored rows that break the rules of docs/architecture.md.

The verbs keep these rules, and the database keeps many of them by its constraints. What is left
to find is what other hands can do: SQL, a restored backup, a script that saves models.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from ...models import Organization
from ..snapshots import snapshot
from .organizations import ORGANIZATION_RULES
from .prompts import PROMPT_RULES
from .rows import ROW_RULES

# Each answers the ids of the rows that break the rule, and what is wrong with them.
RULES: dict[str, Callable[[Organization | None], Iterator[tuple[str, str]]]] = {
    **ROW_RULES,
    **PROMPT_RULES,
    **ORGANIZATION_RULES,
}


class Breach(NamedTuple):
    rule: str
    row: str
    wrong: str


def find_breaches(
    organization: Organization | None = None, rules: Iterable[str] = tuple(RULES)
) -> Iterator[Breach]:
    """Every breach of these rules, in one organization or in all of them. Writes nothing."""
    with snapshot():
        for name in rules:
            for row, wrong in RULES[name](organization):
                yield Breach(name, row, wrong)
