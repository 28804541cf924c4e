"""The server: the first Django project that the app is installed in."""
