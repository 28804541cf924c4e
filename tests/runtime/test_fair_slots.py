import asyncio
from collections import Counter

from conversations.runtime.fair_slots import FairSlots


async def passes():
    """Let the tasks that are ready go on."""
    for _ in range(5):
        await asyncio.sleep(0)


def start(slots: FairSlots, tenants: str) -> list[asyncio.Task]:
    return [asyncio.create_task(slots.acquire(tenant)) for tenant in tenants]


def done(tasks: list[asyncio.Task]) -> int:
    return sum(task.done() for task in tasks)


def test_tenant_alone_holds_three_quarters():
    async def story():
        slots = FairSlots(8)
        burst = start(slots, "a" * 20)
        await passes()
        other = start(slots, "bbb")
        await passes()
        return done(burst), done(other), slots.waiting("a"), slots.waiting("b")

    assert asyncio.run(story()) == (6, 2, 14, 1)


def test_free_slot_goes_to_tenant_with_fewest():
    async def story():
        slots = FairSlots(4)
        start(slots, "aaaabbbc")
        await passes()
        slots.release("a")
        await passes()
        return slots.waiting("a"), slots.waiting("b"), slots.waiting("c")

    # a held 3 and b 1; c held none.
    assert asyncio.run(story()) == (1, 2, 0)


def test_equal_tenants_take_turns():
    async def story():
        slots = FairSlots(1)
        served = []

        async def request(tenant):
            async with slots.hold(tenant):
                served.append(tenant)
                await asyncio.sleep(0)

        await asyncio.gather(*(request(tenant) for tenant in "aaaabbcc"))
        return served

    assert asyncio.run(story()) == list("aabcabca")


def test_only_slot_is_not_kept_for_others():
    async def story():
        slots = FairSlots(1)
        async with slots.hold("a"):
            return slots.waiting("a")

    assert asyncio.run(story()) == 0


def test_cancelled_request_leaves_queue_and_slots():
    async def story():
        slots = FairSlots(2)
        tasks = start(slots, "abaa")
        await passes()
        waiting = [task for task in tasks if not task.done()]
        waiting[0].cancel()
        # Granted and cancelled before the task goes on: the slot passes to the next one.
        slots.release("a")
        waiting[1].cancel()
        await passes()
        return slots.waiting("a"), Counter(task.cancelled() for task in tasks), slots._free

    assert asyncio.run(story()) == (0, {True: 2, False: 2}, 1)
