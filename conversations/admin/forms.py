"""How a domain error becomes an error of the form it came from.

Only the verb knows whether it will refuse, and by then Django's admin takes the form for valid.
So a refused request rolls back and runs once more, this time with a form that knows the answer:
the page shows the error beside the field and all that was typed.
"""

from contextlib import contextmanager
from typing import NamedTuple

from ..domain.errors import DomainError, InvalidValue, StaleVersion
from .display import diff
from .fields import unix_lines


class Meanwhile(NamedTuple):
    """What somebody else wrote while a form was open, and what saving it all the same would do."""

    version: int
    value: str
    theirs: str
    yours: str


class RefusableForm:
    """A model form that a domain verb may refuse, and that knows what it was opened with.

    Every field keeps what it held when the page was made. So only what the operator changed is
    written, and not the older text of a field that somebody else changed meanwhile.
    """

    refusals: dict[str | None, DomainError] = {}
    meanwhile: Meanwhile | None = None  # if the row moved on

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        # The verbs keep the database's constraints, and name the field that breaks one.
        self.instance.validate_constraints = lambda exclude: None
        if not self.instance._state.adding:
            for name, field in self.fields.items():
                field.show_hidden_initial = name != "version"

    def clean(self):
        cleaned = super().clean()
        error = self.refusals.get(self.prefix)
        if isinstance(error, StaleVersion):
            self._show_what_it_says_now(error)
        elif isinstance(error, InvalidValue) and error.field in self.fields:
            self.add_error(error.field, str(error).removeprefix(f"{error.field}: ").capitalize())
        elif error:
            self.add_error(None, str(error))
        return cleaned

    def _show_what_it_says_now(self, error):
        opened, now, typed = self._three_texts(error)
        self.meanwhile = Meanwhile(error.version, now, diff(opened, now), diff(now, typed))
        self.add_error(
            "value" if "value" in self.changed_data else None,
            f"Not saved: it changed while you were editing and is now at version {error.version}. "
            "What changed is shown here, and what you typed is kept. Saving again writes over it.",
        )
        # Whoever has seen the present text and saves again means it.
        self.data = self.data.copy()
        self.data[self.add_prefix("version")] = error.version

    def _three_texts(self, error):
        """As the form was opened, as it is now, as it was typed."""
        names = self.changed_data
        if isinstance(error.value, str):
            typed = self.cleaned_data.get("value", error.value)
            opened = self.data.get(self.add_initial_prefix("value"), "")
            return unix_lines(opened), error.value, typed
        texts = (
            {name: self[name].initial for name in names},
            {name: error.value.get(name) for name in names},
            {name: self.cleaned_data.get(name) for name in names},
        )
        return ("\n".join(f"{name}: {text}" for name, text in t.items()) for t in texts)


@contextmanager
def refusable(request, form):
    """Remember for which form a verb refused."""
    try:
        yield
    except DomainError as error:
        request.refusals[form.prefix] = error
        raise
