"""The field of secrets, which are stored encrypted."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

from ..encryption import decrypt, encrypt

if TYPE_CHECKING:
    _TextField = models.TextField["Secret | str", "Secret"]
else:
    _TextField = models.TextField


@dataclass(frozen=True, slots=True)
class Secret:
    """An encrypted text. Its `repr` and its JSON never contain the text."""

    token: str

    @classmethod
    def of(cls, text: str) -> "Secret":
        """Encrypt a text."""
        return cls(encrypt(text))

    def reveal(self) -> str:
        """Return the text. Raises SecretUnreadable if the settings lack its key."""
        return decrypt(self.token)

    def __str__(self) -> str:
        return "(secret)"

    __repr__ = __str__


class SecretField(_TextField):
    """A text that is stored encrypted; the attribute is a `Secret`, or a plain text to store.

    Each encryption of a text differs, so a query can't look for one.
    """

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **{**kwargs, "editable": False})

    def deconstruct(self) -> tuple[str, str, Any, Any]:
        name, path, args, kwargs = super().deconstruct()
        del kwargs["editable"]
        return name, path, args, kwargs

    def to_python(self, value: Any) -> Any:
        return Secret.of(value) if isinstance(value, str) else value

    def from_db_value(
        self, value: Any, expression: models.Expression, connection: BaseDatabaseWrapper
    ) -> Secret | None:
        """Wrap the stored token."""
        return None if value is None else Secret(value)

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        """Encrypt a plain text, also in the attribute."""
        value = self.to_python(super().pre_save(model_instance, add))
        setattr(model_instance, self.attname, value)
        return value

    def get_prep_value(self, value: Any) -> str | None:
        """Encrypt a plain text."""
        value = self.to_python(value)
        return value.token if isinstance(value, Secret) else value
