"""Secrets at rest: encrypted with Fernet, under keys that are derived from settings."""

import base64
from functools import lru_cache
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from .conf import conf


class SecretUnreadable(Exception):
    """A stored secret was encrypted with a key that is no longer in the settings."""


def encrypt(text: str) -> str:
    """Encrypt a text with the newest key."""
    return _fernet(*_keys()).encrypt(text.encode()).decode("ascii")


def decrypt(token: str) -> str:
    """Return the text of a token. Raises SecretUnreadable if no key fits."""
    try:
        return _fernet(*_keys()).decrypt(token).decode()
    except InvalidToken:
        raise SecretUnreadable(
            "A stored secret can't be decrypted: add the earlier key to ENCRYPTION_KEYS "
            "or SECRET_KEY_FALLBACKS, or set the secret again"
        ) from None


def reencrypt(token: str) -> str:
    """Return a token for the same text under the newest key."""
    return encrypt(decrypt(token))


def _keys() -> tuple[str, ...]:
    """Return the keys, the newest first."""
    keys: list[Any] = conf.ENCRYPTION_KEYS or [
        settings.SECRET_KEY,
        *settings.SECRET_KEY_FALLBACKS,
    ]
    return tuple(str(key) for key in keys)


@lru_cache(maxsize=4)
def _fernet(*keys: str) -> MultiFernet:
    return MultiFernet([Fernet(_derived(key)) for key in keys])


def _derived(key: str) -> bytes:
    derivation = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"conversations.encryption")
    return base64.urlsafe_b64encode(derivation.derive(key.encode()))
