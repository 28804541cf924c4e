from whitenoise.storage import CompressedManifestStaticFilesStorage


class StaticStorage(CompressedManifestStaticFilesStorage):
    """Names with hashes once `collectstatic` has run; until then the plain ones, which whitenoise
    finds in the apps. So a server that nobody prepared still shows its pages."""

    def stored_name(self, name):
        return super().stored_name(name) if self.hashed_files else name
