"""The console: an optional default admin site, with sections, counts and CSV export.

Imports `conversations.admin` only once Django has loaded that package, since the model admins in
it register on this site.
"""
