"""Prints what this machine measures: `python -m benchmarks [--quick]`."""

import platform
import sys

from benchmarks import scheduling
from pubrio_async import __version__


def main() -> None:
    quick = "--quick" in sys.argv[1:]
    python = platform.python_version()
    print(f"pubrio-async {__version__}, Python {python}, 300 requests a minute\n")
    for line in scheduling.table(quick):
        print(line, flush=True)


if __name__ == "__main__":
    main()
