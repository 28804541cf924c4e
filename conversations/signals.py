"""Signals for the code of a host project, sent after the transaction has committed.

Receivers run in the thread that committed: of a request, a command or a worker. Their exceptions
are logged and change nothing. Importing a V1 database sends none.

- `block_written` (sender `Block`): `block`, `revision`, `created` (whether it is revision 1).
- `conversation_created` (sender `Conversation`): `conversation`, also a fork or a default one.
- `run_finished` (sender `Run`): `run`, whose `status` is completed, failed or cancelled.
"""

from functools import partial

from django.db import transaction
from django.db.models import Model
from django.dispatch import Signal

block_written = Signal()
conversation_created = Signal()
run_finished = Signal()


def send_on_commit(signal: Signal, sender: type[Model], **arguments: object) -> None:
    """Send a signal once the current transaction has committed."""
    if signal.has_listeners(sender):
        transaction.on_commit(partial(signal.send_robust, sender, **arguments))
