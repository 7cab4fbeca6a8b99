"""What a run has found, in the order of its input: complete at any time, each row once."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from pubrio_async import ConfigurationError, JournalError, Outcome
from pubrio_async.distributed import Store, claims, export, inputs, status
from pubrio_async.distributed.results import open_export
from pubrio_async.tables import open_rows, open_sink
from tests.distributed.fleet import Api, ask, ids, outcomes, put, run_of


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "_ROWS", 10)
    monkeypatch.setattr(claims, "_FULL", 10)


def by_status(rows: list[Outcome]) -> dict[str, int]:
    return {row.status: sum(other.status == row.status for other in rows) for row in rows}


async def test_before_anybody_works_all_is_skipped(store: Store, tmp_path: Path) -> None:
    await put(store, tmp_path, [*ids(20), "nobody"])
    rows = await outcomes(store)
    assert by_status(rows) == {"skipped": 20, "rejected": 1}
    assert "waits in the queue" in (rows[0].error or "")
    assert "nothing was charged" in (rows[-1].error or "")


async def test_what_is_under_way_is_pending_and_names_its_job(
    store: Store, url: str, tmp_path: Path
) -> None:
    await put(store, tmp_path, ids(10))
    await Api(url).worker().run(until_done=True)
    await ask(
        store,
        "UPDATE batches SET state = 'open', results = NULL; UPDATE people SET batch_id = NULL",
    )
    rows = await outcomes(store)
    assert by_status(rows) == {"pending": 10}
    assert rows[0].redeem_query_id
    assert rows[0].redeem_query_id in (rows[0].error or "")
    await ask(store, "UPDATE batches SET job = NULL, redeem_query_id = NULL")
    rows = await outcomes(store)
    assert by_status(rows) == {"pending": 10}
    assert "may have been charged" in (rows[0].error or "")
    (run,) = (await status(store)).runs
    assert (run.under_way, run.pending) == (10, 0)


@pytest.mark.parametrize("damage", ["set_byte(keys, 0, 7)", "'\\x01ff'", "set_byte(keys, 9, 7)"])
async def test_people_who_are_damaged_are_told_as_such(
    store: Store, url: str, tmp_path: Path, damage: str
) -> None:
    await put(store, tmp_path, ids(30))
    await Api(url).worker().run(until_done=True)
    await ask(store, f"UPDATE batches SET keys = {damage}")
    with pytest.raises(JournalError, match="damaged"):
        await outcomes(store)


async def test_failed_lost_and_skipped_rows_say_why(store: Store, url: str, tmp_path: Path) -> None:
    await put(store, tmp_path, ids(30))
    await Api(url).worker().run(until_done=True)
    await ask(store, "UPDATE people SET batch_id = NULL WHERE chunk_id < 3")
    await ask(store, "UPDATE people SET failure = 'failed: refused: as a whole' WHERE chunk_id = 1")
    await ask(store, "UPDATE people SET failure = 'skipped: never sent' WHERE chunk_id = 2")
    await ask(
        store,
        "UPDATE batches SET state = 'unsettled', reason = 'lost', results = NULL,"
        " seal = seal WHERE chunk_id = 3",
    )
    with pytest.raises(JournalError, match="damaged"):
        await outcomes(store)
    await ask(store, "DELETE FROM people WHERE chunk_id = 3")
    rows = await outcomes(store)
    assert by_status(rows) == {"failed": 10, "skipped": 20}
    assert {row.error for row in rows} >= {"refused: as a whole", "never sent"}


async def test_the_table_is_the_input_with_contacts(store: Store, url: str, tmp_path: Path) -> None:
    people = ids(25)
    given = [*people, "nobody", people[3], ""]
    source = tmp_path / "people.csv"
    with source.open("w", newline="") as file:
        rows = [["Näme", "people_search_id", "status"]]
        rows += [[f"=n{at};", person, "mine, I say"] for at, person in enumerate(given)]
        csv.writer(file).writerows(rows)
    await inputs.enqueue(store, open_rows(str(source)), run_of())
    await Api(url).worker().run(until_done=True)
    output = tmp_path / "out.csv"
    opened = await open_export(store, "run")
    sink = open_sink(str(output), opened.source, opened.contact_types)
    async for outcome in export(store, opened):
        sink.write(outcome)
    sink.close()
    with output.open(newline="") as file:
        table = list(csv.DictReader(file))
    assert [row["Näme"] for row in table] == [f"=n{at};" for at in range(28)]
    assert [row["people_search_id"] for row in table] == given
    assert {row["input_status"] for row in table} == {"mine, I say"}
    assert table[26]["email_work"] == table[3]["email_work"]
    assert [row["status"] for row in table[25:]] == ["rejected", table[3]["status"], "rejected"]
    assert output.stat().st_mode & 0o777 == 0o600
    assert (opened.report.rows, opened.report.rejected) == (28, 2)


@pytest.mark.parametrize("ending", [".txt", ".jsonl", ".parquet"])
async def test_inputs_of_every_kind_come_back(
    store: Store, url: str, tmp_path: Path, ending: str
) -> None:
    people = ids(12)
    source, output = tmp_path / f"people{ending}", tmp_path / "out.csv"
    if ending == ".parquet":
        arrow = pytest.importorskip("pyarrow")
        parquet = pytest.importorskip("pyarrow.parquet")
        table = arrow.table({"people_search_id": people, "n": range(12)})
        parquet.write_table(table, source)
    elif ending == ".txt":
        source.write_text("\n".join(people))
    else:
        lines = [json.dumps({"people_search_id": person, "n": [1, None]}) for person in people]
        source.write_text("\n".join(lines))
    await inputs.enqueue(store, open_rows(str(source)), run_of())
    await Api(url).worker().run(until_done=True)
    opened = await open_export(store, "run")
    sink = open_sink(str(output), opened.source, opened.contact_types)
    async for outcome in export(store, opened):
        sink.write(outcome)
    sink.close()
    with output.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["people_search_id"] for row in rows] == people
    assert {row["status"] for row in rows} <= {"found", "empty"}


async def test_figures_add_up(store: Store, url: str, tmp_path: Path) -> None:
    await put(store, tmp_path, ids(10), "first", priority=3)
    await Api(url).worker().run(until_done=True)
    await put(store, tmp_path, [*ids(25), "nobody"], "second", max_credits=1_000, worst_case=5)
    figures = await status(store)
    first, second = figures.runs
    assert figures.workers == 0
    assert (first.run, first.priority, first.people, first.chunks_done) == ("first", 3, 10, 1)
    assert first.found + first.empty == 10
    assert first.credits_charged == 5 * first.found
    assert first.is_over
    assert (second.rows, second.malformed_rows, second.known_rows) == (26, 1, 10)
    assert (second.people, second.waiting, second.chunks_todo) == (15, 15, 2)
    assert (second.max_credits, second.is_over) == (1_000, False)
    assert (await status(store, "second")).runs == (second,)


async def test_a_run_that_is_not_there_is_told(store: Store) -> None:
    with pytest.raises(ConfigurationError, match="no run 'none'"):
        await open_export(store, "none")
    with pytest.raises(ConfigurationError, match="no run 'none'"):
        await status(store, "none")
    assert (await status(store)).runs == ()
