"""Slots that organizations share fairly, on one event loop."""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class FairSlots:
    """A semaphore whose slots no tenant can take from the others.

    A free slot goes to the waiting tenant that holds the fewest, among equals in turn. A tenant
    holds at most three quarters of the slots, so that another one need not wait for the end of a
    long request.

    Attributes:
        total: How many slots there are.
        share: How many one tenant may hold.
    """

    def __init__(self, slots: int):
        self.total = self._free = slots
        self.share = max(1, slots * 3 // 4)
        self._held: Counter[str] = Counter()
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}

    def waiting(self, tenant: str) -> int:
        """Return how many requests of a tenant wait for a slot."""
        return len(self._waiting.get(tenant, ()))

    async def acquire(self, tenant: str) -> None:
        """Take a slot for a tenant; wait for one if necessary."""
        if self._free and self._held[tenant] < self.share:
            self._take(tenant)
            return
        future = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(tenant, deque()).append(future)
        try:
            # Shielded, so that a cancelled request is either still queued or has its slot.
            await asyncio.shield(future)
        except asyncio.CancelledError:
            if future.done():
                self.release(tenant)
            else:
                self._forget(tenant, future)
            raise

    def release(self, tenant: str) -> None:
        """Give a slot of a tenant back."""
        self._free += 1
        self._held[tenant] -= 1
        if not self._held[tenant]:
            del self._held[tenant]
        while self._free and (following := self._next_tenant()) is not None:
            self._serve(following)

    @asynccontextmanager
    async def hold(self, tenant: str) -> AsyncIterator[None]:
        """Hold a slot of a tenant for the length of a block."""
        await self.acquire(tenant)
        try:
            yield
        finally:
            self.release(tenant)

    def _take(self, tenant: str) -> None:
        self._free -= 1
        self._held[tenant] += 1

    def _next_tenant(self) -> str | None:
        eligible = (tenant for tenant in self._waiting if self._held[tenant] < self.share)
        return min(eligible, key=self._held.__getitem__, default=None)

    def _serve(self, tenant: str) -> None:
        # The dict is in the order of service: a tenant that waits for more goes to its end.
        queue = self._waiting.pop(tenant)
        queue.popleft().set_result(None)
        self._take(tenant)
        if queue:
            self._waiting[tenant] = queue

    def _forget(self, tenant: str, future: asyncio.Future[None]) -> None:
        queue = self._waiting[tenant]
        queue.remove(future)
        if not queue:
            del self._waiting[tenant]
