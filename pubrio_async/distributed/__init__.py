"""Many machines, one key: queue, journal, limits and budget in one PostgreSQL.

Needs the extra `postgres`. The page on scaling tells how to set it up.
"""

from __future__ import annotations

from pubrio_async.distributed.figures import Figures, LimitFigures, RunFigures, status
from pubrio_async.distributed.inputs import Enqueued, RunSettings, enqueue
from pubrio_async.distributed.journal import PostgresJournal
from pubrio_async.distributed.limiter import SharedLimiter
from pubrio_async.distributed.resolving import FleetRun, resolve
from pubrio_async.distributed.results import Export, export, open_export
from pubrio_async.distributed.schema import apply_schema
from pubrio_async.distributed.store import Store
from pubrio_async.distributed.worker import Worker, WorkerReport

__all__ = [
    "Enqueued",
    "Export",
    "Figures",
    "FleetRun",
    "LimitFigures",
    "PostgresJournal",
    "RunFigures",
    "RunSettings",
    "SharedLimiter",
    "Store",
    "Worker",
    "WorkerReport",
    "apply_schema",
    "enqueue",
    "export",
    "open_export",
    "resolve",
    "status",
]
