"""What a run hands out: one outcome for each row, whatever the rows are."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pubrio_async import ConfigurationError
from pubrio_async.testing import run_virtual
from tests.scheduler.fake_api import PRICE, Bench, collect, people, statuses
from tests.scheduler.uncertain import UNCERTAIN

ROW = st.one_of(
    st.integers(0, 30).map(lambda n: str(uuid.UUID(int=n, version=4))),
    st.integers(0, 30).map(lambda n: f" {uuid.UUID(int=n, version=4)} ".upper()),
    st.integers(0, 5).map(lambda n: f"https://www.linkedin.com/in/person-{n}"),
    st.integers(0, 5).map(lambda n: f"uk.linkedin.com/in/Person-{n}/?trk=x"),
    st.sampled_from(["", " ", "no id", "https://example.com/in/person", "\x00", "é"]),
)


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(ROW, max_size=60), size=st.integers(1, 12), order=st.booleans())
def test_every_row_has_one_outcome_and_every_person_is_sent_once(
    rows: list[str], size: int, order: bool
) -> None:
    async def main() -> None:
        bench = Bench()
        run = bench.run(rows, batch_size=size, order="makespan" if order else "results")
        outcomes = await collect(run)
        assert sorted(outcomes) == list(range(len(rows)))
        assert all(outcomes[row].person == person for row, person in enumerate(rows))
        sent = [key for _, _, keys in bench.api.submits for key in keys]
        assert len(sent) == len(set(sent)) == run.report.unique
        assert set(bench.api.charged.values()) <= {1}
        assert run.report.credits_charged == PRICE * len(sent)
        by_key: dict[str, set[str]] = {}
        for outcome in outcomes.values():
            if outcome.status == "found":
                by_key.setdefault(outcome.emails[0].value, set()).add(
                    outcome.people_search_id or ""
                )
            else:
                assert outcome.status == "rejected"
                assert "nothing was charged" in (outcome.error or "")
        assert all(len(ids) == 1 for ids in by_key.values())
        assert len(by_key) == len(sent)

    run_virtual(main())


async def _nothing() -> AsyncIterator[str]:
    for row in ():
        yield row


@pytest.mark.parametrize("rows", [[], iter(()), _nothing])
def test_an_empty_input_ends_at_once_without_a_request(rows: Any) -> None:
    async def main() -> None:
        bench = Bench()
        assert await collect(bench.run(rows() if callable(rows) else rows)) == {}
        assert not bench.api.events

    run_virtual(main())


def test_rows_may_be_none_or_uuid_objects() -> None:
    async def main() -> None:
        person = uuid.uuid4()
        outcomes = await collect(Bench().run([None, person, 7]))
        assert [outcomes[row].status for row in range(3)] == ["rejected", "found", "rejected"]
        assert outcomes[1].person == str(person)

    run_virtual(main())


@pytest.mark.parametrize("rows", ["one-id", b"bytes", 5])
def test_what_is_not_a_list_of_people_is_refused_before_anything_is_sent(rows: Any) -> None:
    async def main() -> None:
        bench = Bench()
        with pytest.raises(ConfigurationError, match="people takes"):
            await collect(bench.run(rows))
        assert not bench.api.events

    run_virtual(main())


def test_a_lone_leftover_and_urls_go_through_the_single_endpoint() -> None:
    async def main() -> None:
        bench = Bench()
        url = "https://www.linkedin.com/in/someone"
        run = bench.run([*people(21), url])
        outcomes = await collect(run)
        assert statuses(outcomes) == {"found": 22}
        kinds = Counter(kind for _, kind, _ in bench.api.submits)
        assert kinds == {"batch": 2, "single": 2}
        assert run.report.requests == 2 * 2 + 2
        assert run.report.batches == 2
        assert outcomes[21].people_search_id
        assert outcomes[21].redeem_query_id is None
        assert outcomes[0].redeem_query_id is not None

    run_virtual(main())


def test_people_the_reply_does_not_name_are_empty_and_free() -> None:
    async def main() -> None:
        bench = Bench()
        rows = people(10)
        bench.api.empty = set(rows[:4])
        run = bench.run(rows)
        outcomes = await collect(run)
        assert [outcomes[row].status for row in range(10)] == ["empty"] * 4 + ["found"] * 6
        assert run.report.credits_charged == 6 * PRICE

    run_virtual(main())


def test_a_duplicate_that_comes_after_its_person_was_settled_is_served_from_the_journal() -> None:
    async def main() -> None:
        bench = Bench()
        rows = people(10)
        settled = asyncio.Event()

        async def slow() -> AsyncIterator[str]:
            for person in rows:
                yield person
            await settled.wait()
            for person in rows:
                yield person.upper()

        outcomes = {}
        async with bench.run(slow()) as run:
            async for outcome in run:
                outcomes[outcome.row] = outcome
                settled.set()
        assert statuses(outcomes) == {"found": 20}
        assert [outcomes[10 + row].emails for row in range(10)] == [
            outcomes[row].emails for row in range(10)
        ]
        assert len(bench.api.submits) == 1
        assert run.report.unique == 10

    run_virtual(main())


def test_tasks_that_share_a_run_all_come_to_its_end() -> None:
    async def main() -> None:
        async def take() -> list[int]:
            rows: list[int] = []
            async for outcome in run:
                rows.append(outcome.row)
                await asyncio.sleep(0.01)
            return rows

        async with Bench().run(people(50)) as run:
            taken = await asyncio.gather(take(), take(), take())
        assert all(taken)
        assert sorted(row for rows in taken for row in rows) == list(range(50))

    run_virtual(main())


@pytest.mark.parametrize("status", ["found", "unsettled", "pending"])
def test_the_outcomes_of_a_batch_come_in_the_order_of_its_rows(status: str) -> None:
    async def main() -> None:
        bench = Bench()
        rows = [person for person in people(20) for _ in range(2)]
        if status == "unsettled":
            bench.api.every_submit = lambda keys: UNCERTAIN[0]
        elif status == "pending":
            bench.api.duration = lambda size: 1e6
        async with bench.run(rows, batch_size=20, deadline=200.0) as run:
            outcomes = [outcome async for outcome in run]
        assert {outcome.status for outcome in outcomes} == {status}
        assert [outcome.row for outcome in outcomes] == list(range(40))

    run_virtual(main())
