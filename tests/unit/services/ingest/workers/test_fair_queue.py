"""Who gets the next worker."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.workers.fair_queue import FairQueue

TENANTS = "abcd"


async def settle() -> None:
    """Lets every task go on as far as it can."""
    for _ in range(3):
        await asyncio.sleep(0)


async def test_what_is_free_is_handed_out_at_once() -> None:
    """The item put back last comes first: its memory is warm."""
    queue: FairQueue[int] = FairQueue()
    queue.put(1)
    queue.put(2)
    assert [await queue.get("a"), await queue.get("b")] == [2, 1]


async def test_one_document_goes_before_the_ten_thousand_of_another_tenant() -> None:
    """It waits for one turn, not for ten thousand."""
    queue: FairQueue[int] = FairQueue()
    order: list[str] = []

    async def take(tenant: str) -> None:
        order.append(f"{tenant}{await queue.get(tenant)}")

    tasks = [asyncio.create_task(take("big")) for _ in range(10_000)]
    await settle()
    tasks.append(asyncio.create_task(take("small")))
    await settle()
    for number in range(3):
        queue.put(number)
    await settle()
    assert order == ["big0", "small1", "big2"]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_an_item_handed_to_one_who_is_cancelled_goes_on() -> None:
    """Neither the item nor the turn of the next one is lost."""
    queue: FairQueue[int] = FairQueue()
    first, second = (asyncio.create_task(queue.get(tenant)) for tenant in "ab")
    await settle()
    queue.put(7)  # decided for the first, who has not seen it yet
    first.cancel()
    assert await second == 7
    with pytest.raises(asyncio.CancelledError):
        await first
    third = asyncio.create_task(queue.get("a"))
    await settle()
    third.cancel()
    queue.put(8)  # the third is being cancelled at this moment
    assert await queue.get("b") == 8


# What happens, in order: a tenant asks; an item comes back; one of those who wait is cancelled.
EVENTS = st.lists(
    st.one_of(
        st.sampled_from(TENANTS),
        st.just("put"),
        st.integers(min_value=0, max_value=20),
    ),
    max_size=60,
)


@given(EVENTS)
def test_no_tenant_has_two_turns_while_another_waits_for_one(events: list[str | int]) -> None:
    """So nobody waits for more turns than there are tenants; inside a tenant the first come are first."""
    asyncio.run(_play(events))


async def _play(events: list[str | int]) -> None:
    queue: FairQueue[int] = FairQueue()
    waiting: list[tuple[str, int, asyncio.Task[int]]] = []
    turns_since: dict[str, Counter[str]] = {}  # tenant that waits → turns of others since it began to wait
    put = got = asked = 0

    for event in events:
        if event == "put":
            queue.put(put)
            put += 1
        elif isinstance(event, str):
            if not any(tenant == event for tenant, _, _ in waiting):
                turns_since[event] = Counter()
            waiting.append((event, asked, asyncio.create_task(queue.get(event))))
            asked += 1
        elif waiting:
            _, _, task = waiting.pop(event % len(waiting))
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await settle()
        served = [entry for entry in waiting if entry[2].done()]
        for tenant, number, task in served:
            task.result()
            got += 1
            waiting.remove((tenant, number, task))
            assert all(number < other for name, other, _ in waiting if name == tenant)
            for name in {name for name, _, _ in waiting} - {tenant}:
                turns_since[name][tenant] += 1
                assert turns_since[name][tenant] <= 1
            turns_since[tenant] = Counter()
        # An item is idle only when nobody waits.
        assert not waiting or got == put
    for _, _, task in waiting:
        task.cancel()
    await asyncio.gather(*(task for _, _, task in waiting), return_exceptions=True)
    free = [await asyncio.wait_for(queue.get("a"), 1) for _ in range(put - got)]
    assert len(free) == put - got
