"""Simulate seeds: `python -m tests.simulation --seeds 10000`, or one with `--seed 1234`."""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from concurrent.futures import ProcessPoolExecutor

from tests.simulation.lives import BrokenPromiseError, run_seed


def broken(seed: int) -> str | None:
    """The line that replays a seed; None if all promises were kept."""
    try:
        run_seed(seed)
    except BrokenPromiseError as error:
        return str(error)
    return None


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("--seed", type=int, help="this one, with all there is to see")
    parser.add_argument(
        "--calm", action="store_true", help="with --seed: no trouble of its machine"
    )
    parser.add_argument("--seeds", type=int, default=1_000, help="how many")
    parser.add_argument("--start", type=int, default=0, help="the first of them")
    parser.add_argument("--jobs", type=int, default=None, help="processes; one for each core")
    asked = parser.parse_args()
    if asked.seed is not None:
        story: list[str] = []
        try:
            ends = run_seed(asked.seed, story, calm=asked.calm)
        except BrokenPromiseError:
            print("\n".join(story))
            traceback.print_exc()
            return 1
        print("\n".join((*story, *ends)))
        return 0
    started, failures = time.monotonic(), 0
    with ProcessPoolExecutor(asked.jobs) as pool:
        seeds = range(asked.start, asked.start + asked.seeds)
        for line in pool.map(broken, seeds, chunksize=20):
            if line is not None:
                failures += 1
                print(line, flush=True)
    print(f"{asked.seeds} seeds in {time.monotonic() - started:.0f} s, {failures} broken")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
