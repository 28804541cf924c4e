"""The Django app."""

import os
import threading
from importlib import import_module
from typing import TYPE_CHECKING, Any

from django.apps import AppConfig
from django.core.exceptions import ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS, connection
from django.db.backends.signals import connection_created
from django.db.models.signals import post_migrate

from .conf import conf
from .tenancy import install_access_setter

if TYPE_CHECKING:
    from .runtime.runtime import Runtime


def _enable_metrics() -> None:
    try:
        metrics = import_module("conversations.runtime.metrics")
    except ModuleNotFoundError as error:
        message = (
            "CONVERSATIONS['METRICS'] needs the package prometheus-client; "
            "pip install 'django-palimpsest[metrics]'."
        )
        raise ImproperlyConfigured(message) from error
    metrics.enable()


class ConversationsConfig(AppConfig):
    """Conversations, their memory and the console."""

    name = "conversations"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = "Palimpsest"
    _runtime: "Runtime | None" = None
    _runtime_lock = threading.Lock()

    def ready(self) -> None:
        import_module("conversations.checks")
        connection_created.connect(install_access_setter)
        post_migrate.connect(_update_policies, sender=self)
        if conf.METRICS:
            _enable_metrics()

    @property
    def runtime(self) -> "Runtime":
        """The runtime of this process, created when it is first used."""
        from .runtime.runtime import Runtime  # noqa: PLC0415 (needs the models)

        with self._runtime_lock:
            # A forked process inherits the object of its parent without the threads.
            if self._runtime is None or self._runtime.pid != os.getpid():
                self._runtime = Runtime()
            return self._runtime

    def close_runtime(self, grace: float) -> None:
        """Let active turns end for `grace` seconds and stop the runtime's threads."""
        with self._runtime_lock:
            runtime, self._runtime = self._runtime, None
        if runtime is not None and runtime.pid == os.getpid():
            runtime.close(grace)


def _update_policies(using: str, **kwargs: Any) -> None:
    """Extend row-level security, where it is enabled, to the tables of new migrations."""
    from .domain import row_security  # noqa: PLC0415 (needs the models)

    is_postgres = using == DEFAULT_DB_ALIAS and connection.vendor == "postgresql"
    if is_postgres and row_security.status().is_enabled:
        row_security.update_policies()
