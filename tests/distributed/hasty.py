"""A worker whose times are short, so that what takes minutes takes seconds. Run with -m.

    python -m tests.distributed.hasty DATABASE API KEY LIMITS [WRONG_BY]

Works until all is done; with SIGTERM it ends in good order. WRONG_BY: its wall clock is so many
seconds ahead.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from functools import partial
from typing import Any

from pubrio_async import _config
from pubrio_async._clock import SystemClock
from pubrio_async.distributed import queue, redeeming, store, worker
from pubrio_async.distributed.limiter import SharedLimiter
from pubrio_async.scheduler import logbook, outage, policy, reconcile
from pubrio_async.scheduler.outage import Outage

STALLED_S = 1.0
LEASE_S = 1.0
TIMEOUT_S = 0.8


async def main(database: str, api: str, key: str, limits: str) -> None:
    working = worker.Worker(
        database,
        api_key=key,
        base_url=api,
        rate_limit=limits,
        concurrency=2,
        heartbeat_s=STALLED_S / 4,
        stalled_s=STALLED_S,
        timeout=TIMEOUT_S,
    )
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, working.stop)
    await working.run(until_done=True)


def _hurry(wrong_by: float) -> None:
    changes: list[tuple[Any, str, Any]] = [
        (_config, "is_loopback", lambda _: True),  # it is on another host, without TLS
        (logbook, "_FIRST_LOOK_S", 0.1),
        (logbook, "_LATER_LOOKS_S", (0.2, 0.4)),
        (reconcile, "_PAUSE_S", 0.1),
        (policy, "_WAIT_WITHOUT_ESTIMATE_S", 0.1),
        (outage, "Outage", lambda _, *rest: Outage(0.5, *rest)),
        (redeeming, "_AGAIN_S", 1),
        (queue, "_LOOK_FOR_JOBS_S", 0.2),
        (worker, "_LOOK_FOR_END_S", 0.2),
        (store, "_MISSED", {**store._MISSED, "idle_in_transaction_session_timeout": 1_000}),
        (worker, "SharedLimiter", partial(SharedLimiter, lease=LEASE_S)),
    ]
    if wrong_by:
        right = time.time
        wall = staticmethod(lambda: right() + wrong_by)
        changes += [(time, "time", wall), (SystemClock, "wall", wall)]
    for place, name, value in changes:
        assert hasattr(place, name)
        setattr(place, name, value)


if __name__ == "__main__":
    _hurry(float(sys.argv[5]) if sys.argv[5:] else 0.0)
    asyncio.run(main(*sys.argv[1:5]))
