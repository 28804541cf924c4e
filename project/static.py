from whitenoise.storage import CompressedManifestStaticFilesStorage


class StaticStorage(CompressedManifestStaticFilesStorage):
    """Names with hashes for what `collectstatic` has seen; the plain ones, which whitenoise finds
    in the apps, for the rest. So a server that nobody prepared still shows its pages, and one that
    is newer than its collected files too."""

    def stored_name(self, name):
        try:
            return super().stored_name(name)
        except ValueError:
            return name
