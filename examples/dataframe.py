"""Redeems the people of a polars data frame, and puts what was found beside them.

    python examples/dataframe.py --sandbox
    python examples/dataframe.py people.parquet contacts.parquet --column id --max-credits 500

With `--sandbox` it talks to a stand-in for the API inside this process: no key, no credits, and
everybody in it is made up. Without, it spends credits for everybody who is found. It needs the
extra `tables`, and polars; pandas does as well, as the comments say.
"""

from __future__ import annotations

import argparse
import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import polars as pl

from pubrio_async import AsyncPubrio
from pubrio_async.sandbox import Sandbox, SandboxConfig, SandboxServer
from pubrio_async.tables import outcomes_table

HERE = Path(__file__).parent


def arguments() -> argparse.Namespace:
    """What was asked for on the command line."""
    parser = argparse.ArgumentParser(description="Redeem a data frame.")
    parser.add_argument("input", nargs="?", default=HERE / "people.csv", type=Path)
    parser.add_argument("output", nargs="?", type=Path, help="a Parquet file")
    parser.add_argument("--column", default="people_search_id", help="ids or LinkedIn URLs")
    parser.add_argument("--max-credits", type=int, default=500, help="bound for what it may cost")
    parser.add_argument("--sandbox", action="store_true", help="use a stand-in for the API")
    return parser.parse_args()


def read(path: Path) -> pl.DataFrame:
    """The input as a frame; pandas.read_csv and pandas.read_parquet do as well."""
    return pl.read_csv(path) if path.suffix == ".csv" else pl.read_parquet(path)


async def main() -> None:
    """Reads, redeems, shows."""
    asked = arguments()
    frame = read(asked.input)
    async with AsyncExitStack() as stack:
        key, url = None, None
        if asked.sandbox:
            # A tenth of the usual time: nobody is really looked for.
            sandbox = Sandbox(SandboxConfig(time_scale=0.1))
            url = (await stack.enter_async_context(SandboxServer(sandbox))).url
            key = "sandbox"
        pubrio = await stack.enter_async_context(AsyncPubrio(api_key=key, base_url=url))
        async with pubrio.redeem.many(
            frame[asked.column],
            people_contact_types=["email-work", "phone"],
            max_credits=asked.max_credits,
        ) as run:
            table = await outcomes_table(run, frame)

    # Nothing is copied; for pandas it is table.to_pandas().
    result = pl.DataFrame(table)
    print(result.group_by("status").len().sort("status"))
    print(result.filter(pl.col("status") == "found").select(asked.column, "email_work", "phone"))
    print(f"{run.report.credits_charged} credits charged")
    if asked.output is not None:
        result.write_parquet(asked.output)


if __name__ == "__main__":
    asyncio.run(main())
