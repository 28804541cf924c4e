"""PostgreSQL goes away, stands still or is locked, under load."""

import time
from contextlib import AbstractContextManager

from django.db import connection

from ..runtime.processes import web_server, worker
from .world import Load, World

TIMEOUTS = {
    "DATABASE_CONNECT_TIMEOUT": "2",
    "DATABASE_POOL_TIMEOUT": "3",
    "DATABASE_STATEMENT_TIMEOUT": "4",
    "DATABASE_LOCK_TIMEOUT": "3",
    "DATABASE_RESPONSE_TIMEOUT": "5",
}
# Of a request: authentication, the view and its transaction may each wait, and the machine is busy.
BOUND = 30.0
OUTAGE = 10.0


def stopped(world: World) -> tuple[str, str]:
    """PostgreSQL stopped at once for 10 s, turns in the web process."""
    return outage(world, world.database.stopped())


def stopped_with_worker(world: World) -> tuple[str, str]:
    """The same with turns in a separate worker."""
    return outage(world, world.database.stopped(), has_worker=True)


def frozen(world: World) -> tuple[str, str]:
    """PostgreSQL frozen (SIGSTOP) for 10 s."""
    return outage(world, world.database.frozen())


def locked(world: World) -> tuple[str, str]:
    """The blocks' table locked (ACCESS EXCLUSIVE) for 10 s."""
    return outage(world, world.database.locked("conversations_block"))


def outage(
    world: World, failure: AbstractContextManager[None], *, has_worker: bool = False
) -> tuple[str, str]:
    tenant = world.tenant()
    takes = "false" if has_worker else "true"
    with web_server(world.model, RUN_TURNS_IN_WEB=takes, **TIMEOUTS) as (_, url):
        load = Load(url, tenant)
        if has_worker:
            with worker(world.model, **TIMEOUTS):
                break_under(load, failure)
        else:
            break_under(load, failure)
    result = load.check()
    statuses = {status for kind in load.answers for status in load.statuses(kind)}
    assert statuses <= {200, 409, 503}, {k: load.statuses(k) for k in load.answers}
    slowest = load.slowest("read", "write")
    assert slowest < BOUND, f"a request took {slowest:.1f} s"
    refused = sum(load.statuses(kind).get(503, 0) for kind in load.answers)
    return (
        f"{load.readers} readers, {load.writers} writers, {load.streaming} streams",
        f"{result}; 503 for {refused} others; slowest read or edit {slowest:.1f} s; "
        f"health {len(load.answers['health'])} of {len(load.answers['health'])}, "
        f"slowest {load.slowest('health'):.2f} s",
    )


def break_under(load: Load, failure: AbstractContextManager[None]) -> None:
    """Let a load run before, during and after a failure."""
    with load.running():
        load.wait_for("stream", 3)
        connection.close()
        connection.close_pool()
        with failure:
            time.sleep(OUTAGE)
        load.wait_for("stream", 6)
        load.wait_for("write", 6)
