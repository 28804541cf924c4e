"""Where the server's pages get their static files from."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class StaticStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]  # untyped base
    """Use hashed names of collected files and plain names of others, which WhiteNoise finds.

    So a server shows its pages before `collectstatic` has run, and after an upgrade without it.
    """

    def stored_name(self, name: str) -> str:
        try:
            return str(super().stored_name(name))
        except ValueError:
            return name
