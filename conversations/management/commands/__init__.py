"""Commands of `manage.py`. Modules that begin with an underscore are shared by several."""
