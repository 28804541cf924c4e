"""Form fields that return exactly the stored value if the operator did not change it."""

import json
from contextlib import suppress
from typing import Any

from django import forms
from django.contrib.admin.widgets import AdminSplitDateTime
from django.core.exceptions import ValidationError

from ..domain.tools.variables import MASK


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
    """A list of words, separated by commas; in JSON if it would not be the same list again."""

    widget = forms.TextInput(attrs={"class": "vLargeTextField"})

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("help_text", "Separated by commas, or a JSON array.")
        super().__init__(**{"required": False, **kwargs})

    def prepare_value(self, value: Any) -> str:
        if isinstance(value, str):
            return value
        words = list(value or [])
        text = ", ".join(map(str, words))
        is_plain = self.to_python(text) == words and "\n" not in text and "\r" not in text
        return text if is_plain else json.dumps(words, ensure_ascii=False)

    def to_python(self, value: Any) -> list[str]:
        if not isinstance(value, str):
            return list(value or [])
        with suppress(ValueError):
            words = json.loads(value)
            if isinstance(words, list) and all(isinstance(word, str) for word in words):
                return words
        return [word.strip() for word in value.split(",") if word.strip()]

    def has_changed(self, initial: Any, data: Any) -> bool:
        return self.to_python(initial) != self.to_python(data)


class SecretsField(forms.Field):
    """Environment variables, one NAME=value in a line. Stored values are not shown."""

    widget = forms.Textarea(attrs={"class": "vLargeTextField", "rows": 3, "autocomplete": "off"})

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault(
            "help_text",
            f"Environment variables of its tools, one NAME=value in a line. {MASK} stands for the "
            "stored value.",
        )
        super().__init__(**{"required": False, **kwargs})

    def prepare_value(self, value: Any) -> str:
        if isinstance(value, dict):
            return "\n".join(f"{name}={text}" for name, text in value.items())
        return str(value or "")

    def to_python(self, value: Any) -> dict[str, str]:
        if isinstance(value, dict):
            return value
        variables = {}
        for line in unix_lines(value or "").split("\n"):
            if line.strip():
                name, separator, text = line.partition("=")
                if not separator:
                    raise ValidationError("Enter one NAME=value in each line.")
                variables[name.strip()] = text
        return variables

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return self.to_python(self.prepare_value(initial)) != self.to_python(data)
        except ValidationError:
            return True


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
