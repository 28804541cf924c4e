"""Secrets at rest: encryption, the field and the change of keys."""

import json

import pytest

from conversations.encryption import SecretUnreadable, decrypt, encrypt, reencrypt
from conversations.models.secrets import Secret


def keys(settings, *values):
    settings.CONVERSATIONS = {**settings.CONVERSATIONS, "ENCRYPTION_KEYS": list(values)}


def test_secret_is_readable_only_with_its_key(settings):
    keys(settings, "one")
    token = encrypt("tide")
    assert "tide" not in token
    assert decrypt(token) == "tide"

    keys(settings, "two")
    with pytest.raises(SecretUnreadable, match="ENCRYPTION_KEYS"):
        decrypt(token)


def test_older_key_decrypts_until_tokens_are_encrypted_again(settings):
    keys(settings, "old")
    token = encrypt("tide")
    keys(settings, "new", "old")
    renewed = reencrypt(token)

    keys(settings, "new")

    assert decrypt(renewed) == "tide"


def test_secret_key_and_its_fallbacks_serve_without_keys(settings):
    keys(settings)
    settings.SECRET_KEY = "first"
    token = encrypt("tide")

    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "second", ["first"]

    assert decrypt(token) == "tide"


def test_secret_never_shows_its_text():
    secret = Secret.of("tide")

    assert "tide" not in f"{secret} {secret!r}"
    assert secret.reveal() == "tide"
    with pytest.raises(TypeError):
        json.dumps(secret)
