"""Form fields that return exactly the stored value if the operator did not change it."""

from typing import Any

from django import forms
from django.contrib.admin.widgets import AdminSplitDateTime
from django.core.exceptions import ValidationError


def unix_lines(text: str) -> str:
    """Convert the CR LF that browsers send for each line break of a textarea."""
    return text.replace("\r\n", "\n")


class PlainTextField(forms.CharField):
    """A text that keeps its leading and trailing whitespace."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "strip": False})

    def to_python(self, value: Any) -> Any:
        value = super().to_python(value)
        return unix_lines(value) if value else value

    def has_changed(self, initial: Any, data: Any) -> bool:
        return super().has_changed(unix_lines(initial or ""), data)


class WordsField(forms.Field):
    """A list of words, separated by commas."""

    widget = forms.TextInput(attrs={"class": "vLargeTextField"})

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("help_text", "Separated by commas.")
        super().__init__(**{"required": False, **kwargs})

    def prepare_value(self, value: Any) -> str:
        return value if isinstance(value, str) else ", ".join(map(str, value or []))

    def to_python(self, value: Any) -> list[str]:
        if isinstance(value, str):
            value = [word.strip() for word in value.split(",")]
        return [word for word in value or [] if word]

    def has_changed(self, initial: Any, data: Any) -> bool:
        # A stored word that contains a comma looks like two words and is not a change.
        return self.to_python(self.prepare_value(initial)) != self.to_python(data)


class ObjectField(forms.JSONField):
    """A JSON object; an empty input means `empty`."""

    def __init__(self, *, empty: dict[str, Any] | None = None, **kwargs: Any) -> None:
        self.empty = empty
        kwargs.setdefault("widget", forms.Textarea(attrs={"class": "vLargeTextField", "rows": 3}))
        super().__init__(**{"required": False, **kwargs})

    def prepare_value(self, value: Any) -> Any:
        return "" if value is None else super().prepare_value(value)

    def to_python(self, value: Any) -> Any:
        value = super().to_python(value)
        if value is None:
            return self.empty
        if not isinstance(value, dict):
            raise ValidationError('Enter a JSON object, like {"key": "value"}.')
        return value


class DateTimeWidget(AdminSplitDateTime):
    """Django's date and time inputs, each with an accessible name."""

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        super().__init__(attrs)
        for widget, name in zip(self.widgets, ("Date", "Time"), strict=True):
            widget.attrs["aria-label"] = name
