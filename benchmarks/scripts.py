"""What users write without this package: the peers of `endtoend` and `peers`.

    python -m benchmarks.scripts aiohttp|requests INPUT OUTPUT URL

From a CSV of ids to a CSV with the first address of each kind. No journal, no rate limit, no
thought of what happens when something goes wrong.
"""

from __future__ import annotations

import asyncio
import csv
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

_BATCH = 100
_AT_ONCE = 32
_KEY = {"pubrio-api-key": "benchmark"}
_TYPES = ["email-work", "email-personal", "phone"]
_POLL_S = 0.05

Found = dict[str, dict[str, Any]]


def _batches(path: str) -> tuple[list[str], list[list[str]]]:
    with Path(path).open(newline="", encoding="utf-8") as file:
        rows = [row["people_search_id"] for row in csv.DictReader(file)]
    return rows, [rows[at : at + _BATCH] for at in range(0, len(rows), _BATCH)]


def _write(path: str, rows: list[str], found: Found) -> None:
    with Path(path).open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(["people_search_id", "email", "phone"])
        for row in rows:
            person = found[row]
            values = [";".join(c["value"] for c in person[kind]) for kind in ("emails", "phones")]
            out.writerow([row, *values])


async def _aiohttp(batches: list[list[str]], url: str) -> Found:
    import aiohttp  # noqa: PLC0415 - not in the process of the other one

    found: Found = {}
    gate = asyncio.Semaphore(_AT_ONCE)
    async with aiohttp.ClientSession(headers=_KEY) as session:

        async def ask(path: str, body: object) -> dict[str, Any]:
            async with session.post(url + path, json=body) as response:
                response.raise_for_status()
                data: dict[str, Any] = (await response.json())["data"]
                return data

        async def redeem(batch: list[str]) -> None:
            async with gate:
                fields = {"peoples": batch, "people_contact_types": _TYPES}
                job = await ask("/redeem/people/batch", fields)
                while True:
                    await asyncio.sleep(_POLL_S)
                    query = {"redeem_query_id": job["redeem_query_id"]}
                    reply = await ask("/redeem/people/batch/query", query)
                    if reply["query"]["is_completed"]:
                        break
                found.update((p["people_search_id"], p) for p in reply["peoples"])

        await asyncio.gather(*map(redeem, batches))
    return found


def _requests(batches: list[list[str]], url: str) -> Found:
    import requests  # noqa: PLC0415 - not in the process of the other one

    found: Found = {}

    def ask(path: str, body: dict[str, Any]) -> dict[str, Any]:
        response = requests.post(url + path, json=body, headers=_KEY, timeout=30)
        response.raise_for_status()
        data: dict[str, Any] = response.json()["data"]
        return data

    def redeem(batch: list[str]) -> None:
        fields = {"peoples": batch, "people_contact_types": _TYPES}
        job = ask("/redeem/people/batch", fields)
        while True:
            time.sleep(_POLL_S)
            query = {"redeem_query_id": job["redeem_query_id"]}
            reply = ask("/redeem/people/batch/query", query)
            if reply["query"]["is_completed"]:
                break
        found.update((p["people_search_id"], p) for p in reply["peoples"])

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(redeem, batches))
    return found


def main() -> None:
    kind, source, target, url = sys.argv[1:]
    rows, batches = _batches(source)
    found = asyncio.run(_aiohttp(batches, url)) if kind == "aiohttp" else _requests(batches, url)
    _write(target, rows, found)


if __name__ == "__main__":
    main()
