"""`python -m pubrio_async` is `pubrio-async`."""

from __future__ import annotations

from pubrio_async.cli import main

main()
