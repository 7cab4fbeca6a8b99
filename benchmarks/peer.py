"""The other end of `harness.Peer`: a function in a process of its own, a round for each line."""

from __future__ import annotations

import asyncio
import importlib
import json
import sys


def main() -> None:
    module, _, name = sys.argv[1].partition(":")
    if sys.argv[2:] == ["uvloop"]:
        import uvloop  # noqa: PLC0415 - only where it is asked for

        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    function = getattr(importlib.import_module(module), name)
    answers, sys.stdout = sys.stdout, sys.stderr  # whatever the function prints is no answer
    for line in sys.stdin:
        print(json.dumps(function(**json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()
