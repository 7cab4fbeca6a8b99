"""Outcomes as a table of polars, pandas or pyarrow, beside the input they are of."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from pubrio_async import AsyncPubrio, ConfigurationError
from pubrio_async.models import Contact, Outcome
from pubrio_async.sandbox import Sandbox, SandboxConfig, SandboxTransport
from pubrio_async.tables import OUTCOME_COLUMNS, OutcomeTable, outcome_batches, outcomes_table
from pubrio_async.testing import VirtualClock, run_virtual
from tests.tables.arrows import IDS, arrow, pandas, polars


def test_a_frame_is_redeemed_and_gets_its_contacts_beside_it() -> None:
    async def main() -> None:
        sandbox = Sandbox(SandboxConfig(limits="300/minute"))
        transport = SandboxTransport(sandbox, latency=0.2)
        async with AsyncPubrio("key", transport=transport, clock=VirtualClock()) as pubrio:
            types: Any = ["email-work", "phone"]
            frame = polars.DataFrame(
                {
                    "status": [f"mine {n}" for n in range(600)],
                    "row": list(range(600)),
                    "people_search_id": [*IDS[:299], None, *IDS[299:598], "nobody"],
                }
            )
            async with pubrio.redeem.many(frame, people_contact_types=types) as run:
                table = await outcomes_table(run, frame)

        assert table.column_names == [
            "input_status",
            "input_row",
            "people_search_id",
            "row",
            *OUTCOME_COLUMNS,
        ]
        result = polars.DataFrame(table)
        assert result["people_search_id"].to_list() == frame["people_search_id"].to_list()
        assert result["row"].to_list() == list(range(600)) == result["input_row"].to_list()
        counts = dict(result["status"].value_counts().iter_rows())
        assert counts["rejected"] == 2 == run.report.rejected
        assert counts["found"] == run.report.found > 0
        found = result.filter(polars.col("status") == "found")
        assert found.filter(
            polars.col("email_work").is_null() & polars.col("phone").is_null()
        ).is_empty()

    run_virtual(main())


def outcome(row: int, **more: Any) -> Outcome:
    return Outcome(row, f"id-{row}", None, "empty", **more)


async def several(*rows: int) -> AsyncIterator[Outcome]:
    for row in rows:
        yield outcome(row)


def test_outcomes_are_a_table_in_the_order_of_the_input() -> None:
    table = OutcomeTable(["email-personal"])
    for row in range(10_000, -1, -1):
        contacts = [Contact(f"{row}@x.example"), Contact("b")] if row == 3 else []
        table.add(outcome(row, emails=contacts, error="=1" if row == 4 else None))

    assert len(table) == 10_001
    assert repr(table) == "<OutcomeTable of 10001 outcomes>"
    result = polars.DataFrame(table)
    assert result.columns == ["row", "person", *OUTCOME_COLUMNS]
    assert result["row"].to_list() == list(range(10_001))
    assert result["email_personal"][3] == "3@x.example;b"
    assert result["email_work"].null_count() == 10_001
    assert result["error"][4] == "=1"  # no spreadsheet reads this
    assert list(pandas.DataFrame.from_arrow(table)["person"][:2]) == ["id-0", "id-1"]
    table.add(outcome(10_001))
    assert table.to_arrow().num_rows == 10_002


def test_no_outcomes_are_an_empty_table() -> None:
    table = OutcomeTable().to_arrow()

    assert table.num_rows == 0
    assert table.schema.field("status").type == arrow.string()
    assert OutcomeTable().to_arrow(arrow.table({"x": [1, 2]})).column("status").to_pylist() == [
        None,
        None,
    ]


@pytest.mark.parametrize(
    ("source", "name"),
    [
        (lambda: polars.DataFrame({"x": ["a", "b", "c"]}), "x"),
        (lambda: pandas.DataFrame({"x": ["a", "b", "c"]}), "x"),
        (lambda: arrow.table({"x": ["a", "b", "c"]}), "x"),
        (lambda: arrow.record_batch({"x": ["a", "b", "c"]}), "x"),
        (lambda: polars.Series(["a", "b", "c"]), "person"),
        (lambda: pandas.Series(["a", "b", "c"]), "person"),
        (lambda: arrow.array(["a", "b", "c"]), "person"),
        (lambda: arrow.chunked_array([["a"], ["b", "c"]]), "person"),
    ],
)
async def test_rows_without_an_outcome_have_nulls(source: Any, name: str) -> None:
    table = await outcomes_table(several(2, 0), source())

    assert table.column_names == [name, "row", *OUTCOME_COLUMNS]
    assert table.column(name).to_pylist() == ["a", "b", "c"]
    assert table.column("row").to_pylist() == [0, 1, 2]
    assert table.column("status").to_pylist() == ["empty", None, "empty"]


async def test_types_of_the_input_stay_and_names_become_different() -> None:
    source = arrow.table(
        [arrow.array([2**64 - 1], arrow.uint64()), [["x"]], ["y"]], ["n", "error", "error"]
    )
    table = await outcomes_table(several(0), source)

    assert table.column_names[:3] == ["n", "input_error", "input_input_error"]
    assert table.schema.types[0] == arrow.uint64()
    assert table.column("input_error").to_pylist() == [["x"]]


@pytest.mark.parametrize(
    ("rows", "source", "message"),
    [
        ((0, 5), lambda: arrow.table({"x": [1, 2]}), "outcome for row 5, but only 2 rows"),
        ((0, 0), lambda: None, "more than one run"),
        ((0,), lambda: arrow.table({"x": [1]}).to_reader(), "used up by the run"),
        ((0,), lambda: ["x"], "cannot be put beside this list"),
    ],
)
async def test_what_does_not_belong_together_is_refused(
    rows: tuple[int, ...], source: Any, message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        await outcomes_table(several(*rows), source())


async def test_batches_come_as_the_outcomes_do() -> None:
    batches = [batch async for batch in outcome_batches(several(3, 1, 2, 0, 4), rows=2)]

    assert [batch.column("row").to_pylist() for batch in batches] == [[3, 1], [2, 0], [4]]
    assert batches[0].schema.names == ["row", "person", *OUTCOME_COLUMNS]
    assert arrow.Table.from_batches(batches).num_rows == 5
    with pytest.raises(ConfigurationError, match="at least 1"):
        await anext(outcome_batches(several(0), rows=0))


def test_half_characters_are_written_so_that_they_can_be_read() -> None:
    table = OutcomeTable()
    table.add(Outcome(0, "x\ud83d", None, "rejected"))

    assert table.to_arrow().column("person").to_pylist() == ["x\\ud83d"]
