"""A process that sends as much as shared limits let it, and says when. Run with -m.

    python -m tests.distributed.hammer URL RATES SECONDS HOLD

HOLD is how long each request lasts. Prints `ready`, waits for a line, then prints a line for each
request: when it left and when it ended, by the clock all processes of the machine share.
"""

from __future__ import annotations

import asyncio
import sys
import time

from pubrio_async.distributed.limiter import SharedLimiter
from pubrio_async.distributed.store import Store


async def main(url: str, rates: str, seconds: float, hold: float) -> None:
    async with (
        Store(url) as store,
        SharedLimiter(
            store, name="hammer", rates=rates, max_concurrency=16, lease=1.5, longest_request=0.3
        ) as limiter,
    ):

        async def one() -> None:
            while True:
                ticket = await limiter.acquire()
                left = time.monotonic()
                await asyncio.sleep(hold)
                limiter.release(ticket, 1)
                print(left, time.monotonic(), flush=True)

        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        tasks = [asyncio.create_task(one()) for _ in range(24)]
        await asyncio.wait(tasks, timeout=seconds)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], float(sys.argv[3]), float(sys.argv[4])))
