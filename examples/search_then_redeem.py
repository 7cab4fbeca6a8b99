"""Finds people by title and country, redeems their work e-mails, and prints a table.

    python examples/search_then_redeem.py --sandbox
    python examples/search_then_redeem.py "VP of Sales" --country US --limit 50 --max-credits 500

With `--sandbox` it talks to a stand-in for the API inside this process: no key, no credits, and
everybody in it is made up. Without, it spends credits: one search for every 25 people, and every
e-mail that is found.
"""

from __future__ import annotations

import argparse
import asyncio
from contextlib import AsyncExitStack

from msgspec import UNSET

from pubrio_async import AsyncPubrio
from pubrio_async.models import PersonRow
from pubrio_async.sandbox import Sandbox, SandboxConfig, SandboxServer


def arguments() -> argparse.Namespace:
    """What was asked for on the command line."""
    parser = argparse.ArgumentParser(description="Search people, redeem their e-mails.")
    parser.add_argument("titles", nargs="*", default=["CTO", "VP of Engineering"])
    parser.add_argument("--country", action="append", help="such as US; may be repeated")
    parser.add_argument("--limit", type=int, default=20, help="most people to redeem")
    parser.add_argument("--max-credits", type=int, default=500, help="bound for the redeems")
    parser.add_argument("--sandbox", action="store_true", help="use a stand-in for the API")
    return parser.parse_args()


async def find(
    pubrio: AsyncPubrio, titles: list[str], countries: list[str] | None, limit: int
) -> dict[str, PersonRow]:
    """People with one of these titles, by id; pages are fetched as they are needed."""
    rows = pubrio.people.search_iter(
        people_titles=titles, people_locations=countries or UNSET, max_items=limit
    )
    found: dict[str, PersonRow] = {}
    async for row in rows:
        if row.people_search_id is not None:
            found[row.people_search_id] = row
    return found


async def main() -> None:
    """Searches, redeems, prints."""
    asked = arguments()
    async with AsyncExitStack() as stack:
        key, url = None, None
        if asked.sandbox:
            # A tenth of the usual time: nobody is really looked for.
            sandbox = Sandbox(SandboxConfig(time_scale=0.1))
            url = (await stack.enter_async_context(SandboxServer(sandbox))).url
            key = "sandbox"
        pubrio = await stack.enter_async_context(AsyncPubrio(api_key=key, base_url=url))

        people = await find(pubrio, asked.titles, asked.country, asked.limit)
        print(f"{len(people)} people found\n")
        print(f"{'name':<20}{'title':<28}{'works at':<20}e-mail")
        async with pubrio.redeem.many(
            people, people_contact_types=["email-work"], max_credits=asked.max_credits
        ) as run:
            async for outcome in run:
                row = people[outcome.person]
                employer = (row.employment_history or [None])[0]
                company = employer.company_name if employer else None
                email = ", ".join(each.value for each in outcome.emails) or f"({outcome.status})"
                print(f"{row.name or '':<20}{row.title or '':<28}{company or '':<20}{email}")
        report = run.report
        print(f"\n{report.found} e-mails found, {report.credits_charged} credits charged for them")


if __name__ == "__main__":
    asyncio.run(main())
