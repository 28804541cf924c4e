"""The models this server can answer with."""

from typing import NamedTuple


class Model(NamedTuple):
    provider: str
    name: str
    display_name: str
    context_window: int

    @property
    def handle(self) -> str:
        return f"{self.provider}/{self.name}"


# Without a provider this one answers for every handle.
MODELS = [Model("scripted", "demo", "Scripted model (no provider is set up)", 128_000)]
