"""Form fields that give back exactly what was stored when nobody touched them."""

from django import forms
from django.contrib.admin.widgets import AdminSplitDateTime
from django.core.exceptions import ValidationError


def unix_lines(text: str) -> str:
    """Browsers send every line end of a textarea as CR LF."""
    return text.replace("\r\n", "\n")


class PlainTextField(forms.CharField):
    """A text as it is: its spaces at both ends count, and so does each of its lines."""

    def __init__(self, **kwargs):
        super().__init__(**{**kwargs, "strip": False})

    def to_python(self, value):
        value = super().to_python(value)
        return unix_lines(value) if value else value

    def has_changed(self, initial, data):
        return super().has_changed(unix_lines(initial or ""), data)


class WordsField(forms.Field):
    """A list of words, shown and typed with commas between them."""

    widget = forms.TextInput(attrs={"class": "vLargeTextField"})

    def __init__(self, **kwargs):
        kwargs.setdefault("help_text", "Separated by commas.")
        super().__init__(**{"required": False, **kwargs})

    def prepare_value(self, value):
        return value if isinstance(value, str) else ", ".join(map(str, value or []))

    def to_python(self, value):
        if isinstance(value, str):
            value = [word.strip() for word in value.split(",")]
        return [word for word in value or [] if word]

    def has_changed(self, initial, data):
        # A word that holds a comma itself looks the same typed as shown, so it is not a change.
        return self.to_python(self.prepare_value(initial)) != self.to_python(data)


class ObjectField(forms.JSONField):
    """A JSON object; nothing typed means `empty`."""

    def __init__(self, *, empty=None, **kwargs):
        self.empty = empty
        kwargs.setdefault("widget", forms.Textarea(attrs={"class": "vLargeTextField", "rows": 3}))
        super().__init__(**{"required": False, **kwargs})

    def prepare_value(self, value):
        return "" if value is None else super().prepare_value(value)

    def to_python(self, value):
        value = super().to_python(value)
        if value is None:
            return self.empty
        if not isinstance(value, dict):
            raise ValidationError('Enter a JSON object, like {"key": "value"}.')
        return value


class DateTimeWidget(AdminSplitDateTime):
    """Django's two boxes, each with a name for those who can't see the word before it."""

    def __init__(self, attrs=None):
        super().__init__(attrs)
        for widget, name in zip(self.widgets, ("Date", "Time"), strict=True):
            widget.attrs["aria-label"] = name
