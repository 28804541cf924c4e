"""Model forms that domain verbs save, and that show what a verb refuses.

Django's admin saves a form after it has taken it for valid, too late to show an error. So the verb
runs as the last step of validation, in a savepoint of the admin's transaction.
"""

from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from django import forms
from django.core.exceptions import ValidationError
from django.db import transaction
from django.forms.models import construct_instance
from django.utils.safestring import SafeString

from ..domain.errors import DomainError, InvalidValue, StaleVersion
from .display import diff
from .fields import unix_lines

if TYPE_CHECKING:
    ModelForm = forms.ModelForm[Any]
else:
    ModelForm = forms.ModelForm  # not generic at run time


class EditConflict(NamedTuple):
    """What changed while a form was open, and what saving it anyway would change."""

    version: int
    value: str
    their_change: SafeString
    your_change: SafeString


class RefusableForm(ModelForm):
    """A model form that a domain verb may refuse.

    Every field keeps the value that it had when the page was opened, so that only what the
    operator changed is written, not the older value of a field that another operator changed.
    """

    conflict: EditConflict | None = None
    validates_constraints = False  # the verb reports a broken constraint, by field

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.instance._state.adding:
            for name, field in self.fields.items():
                field.show_hidden_initial = name != "version"

    def _post_clean(self) -> None:
        """Validate the fields of the row, but its constraints only on request."""
        options = self._meta
        form: Any = self  # django-stubs lack two methods
        try:
            self.instance = construct_instance(self, self.instance, options.fields, options.exclude)
            self.instance.full_clean(
                exclude=form._get_validation_exclusions(),
                validate_unique=False,
                validate_constraints=self.validates_constraints,
            )
        except ValidationError as error:
            form._update_errors(error)

    def refuse(self, error: DomainError) -> None:
        """Show a verb's refusal, beside the field that it names."""
        if isinstance(error, StaleVersion):
            self._show_conflict(error)
        elif isinstance(error, InvalidValue) and error.field in self.fields:
            self.add_error(error.field, error.message.capitalize())
        else:
            self.add_error(None, str(error))

    def _show_conflict(self, error: StaleVersion) -> None:
        opened, current, typed = self._versions_of_text(error)
        self.conflict = EditConflict(
            error.version, current, diff(opened, current), diff(current, typed)
        )
        # A second save, after seeing the newer text, is intentional.
        data: Any = self.data
        self.data = data.copy()
        self.data[self.add_prefix("version")] = error.version  # type: ignore[index]  # a QueryDict
        self.add_error(
            "value" if "value" in self.changed_data else None,
            f"Not saved: version {error.version} was written while you were editing. "
            "Your text is kept below; saving again replaces that version.",
        )

    def _versions_of_text(self, error: StaleVersion) -> tuple[str, str, str]:
        """Return the text when the form was opened, the current one and the typed one."""
        if isinstance(error.value, str):
            opened = self.data.get(self.add_initial_prefix("value"), "")
            return unix_lines(opened), error.value, self.cleaned_data.get("value", error.value)
        current = error.value
        names = self.changed_data
        return (
            "\n".join(f"{name}: {self[name].initial}" for name in names),
            "\n".join(f"{name}: {current.get(name)}" for name in names),
            "\n".join(f"{name}: {self.cleaned_data.get(name)}" for name in names),
        )


class VerbForm(RefusableForm):
    """A form that a domain verb saves.

    `saved` is the row that the verb returned, `secret` what it shows once (for an API key).
    """

    write: ClassVar[Any]  # set by ConsoleAdmin.get_form
    saved: Any = None
    secret = ""

    def full_clean(self) -> None:
        super().full_clean()
        if not self.is_bound or self.errors:
            return
        try:
            with transaction.atomic():
                self.saved = self.write(self)
        except DomainError as error:
            self.refuse(error)


class VersionedForm(VerbForm):
    """A form that carries the version of the row it shows, so that a save can name its basis."""

    version = forms.IntegerField(widget=forms.HiddenInput, required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.instance._state.adding:
            self.fields["version"].required = True
            self.initial["version"] = self.instance.version
