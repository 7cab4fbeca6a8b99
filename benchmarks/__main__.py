"""Measures what the package promises about speed, memory and waste.

python -m benchmarks                          everything
python -m benchmarks decode http --quick      two of them, cut down
python -m benchmarks --html report.html       with plots
python -m benchmarks --save                   keep the results in benchmarks/results
python -m benchmarks --docs                   write docs/performance.md from what is kept
"""

from __future__ import annotations

import argparse
import sys
import traceback
from pathlib import Path

import msgspec

from benchmarks import harness, machine, render


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(harness.NAMES))
    parser.add_argument("--quick", action="store_true", help="a smoke test: small and rough")
    parser.add_argument("--seeds", type=int, help="how many seeds where inputs are drawn")
    parser.add_argument("--target", metavar="URL", help="a server instead of one of our own")
    parser.add_argument("--json", metavar="PATH", help="write this run's results here")
    parser.add_argument("--html", metavar="PATH", help="write a report with plots here")
    parser.add_argument("--save", action="store_true", help="keep the results, one file for each")
    parser.add_argument(
        "--docs", action="store_true", help="write docs/performance.md, run nothing"
    )
    asked = parser.parse_args()
    for name in asked.names:
        if name not in harness.NAMES:
            parser.error(f"{name} is no benchmark; choose from {', '.join(harness.NAMES)}")
    if asked.docs:
        render.write_docs()
        return 0

    options = harness.Options(quick=asked.quick, target=asked.target, seeds=asked.seeds)
    runs: list[machine.Recorded] = []
    failed: list[str] = []
    for name in asked.names or harness.NAMES:
        print(f"{name} ...", file=sys.stderr, flush=True)
        before = harness.load()
        try:
            report = harness.run(name, options)
        except Exception:  # noqa: BLE001 - one benchmark must not cost the others
            traceback.print_exc()
            failed.append(name)
            continue
        recorded = machine.record(report, options, before)
        runs.append(recorded)
        print(render.text(report), flush=True)
        if asked.save:
            harness.RESULTS.mkdir(exist_ok=True)
            path = harness.RESULTS / f"{name}.json"
            path.write_bytes(msgspec.json.format(msgspec.json.encode(recorded)) + b"\n")
    if asked.json:
        Path(asked.json).write_bytes(msgspec.json.format(msgspec.json.encode(runs)) + b"\n")
    if asked.html:
        Path(asked.html).write_text(render.html(runs), encoding="utf-8")
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
