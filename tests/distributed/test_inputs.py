"""An input becomes chunks of people in the queue: each person once, whatever breaks off."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from pubrio_async import ConfigurationError
from pubrio_async.distributed import Store, claims, enqueue, inputs
from pubrio_async.distributed.queue import job_priority
from pubrio_async.tables import RowSource, open_rows
from tests.distributed.fleet import (
    Api,
    ask,
    days_pass,
    ids,
    put,
    run_of,
    until,
    working,
    write_csv,
)
from tests.distributed.torn import tear

CHUNKS = "SELECT number, people, state FROM chunks ORDER BY run_id, number"
JOBS = (
    "SELECT (args ->> 'chunk_id')::int, priority FROM procrastinate_jobs ORDER BY priority DESC, id"
)


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "_ROWS", 10)
    monkeypatch.setattr(claims, "_FULL", 10)


class Torn:
    """An input that breaks off."""

    def __init__(self, source: RowSource, after: int) -> None:
        self.source, self.after = source, after
        self.name, self.columns, self.total = source.name, source.columns, source.total
        self.warnings = source.warnings

    def people(self) -> Iterator[str]:
        people = self.source.people()
        assert isinstance(people, Iterator)
        for number, person in enumerate(people):
            if number == self.after:
                raise OSError("the disk is gone")
            yield person

    def cells(self) -> Iterator[Sequence[object]] | None:
        return self.source.cells()


async def test_each_person_is_in_one_chunk_and_each_chunk_has_a_job(
    store: Store, tmp_path: Path
) -> None:
    people = ids(25)
    given = [*people[:12], "nobody", people[0].upper(), "", *people[12:], people[3]]
    done = await put(store, tmp_path, given)
    assert (done.rows, done.malformed, done.known, done.people) == (29, 2, 0, 25)
    chunks = await ask(store, CHUNKS)
    assert sum(people for _, people, _ in chunks) == 25
    assert {state for *_, state in chunks} == {"todo"}
    assert len(chunks) == done.chunks == len(await ask(store, JOBS))
    assert await ask(store, "SELECT count(*) FROM people") == [(25,)]


async def test_few_new_people_in_many_rows_are_gathered(store: Store, tmp_path: Path) -> None:
    """A chunk with few people makes small batches, and those waste requests."""
    await put(store, tmp_path, ids(100), "first")
    given = [person for at, new in enumerate(ids(20, 1_000)) for person in (*ids(4, at * 4), new)]
    done = await put(store, tmp_path, given, "second")
    assert (done.known, done.people, done.chunks) == (80, 20, 2)


async def test_runs_take_turns_and_priority_goes_first(store: Store, tmp_path: Path) -> None:
    for start, (name, priority) in enumerate([("long", 0), ("short", 0), ("urgent", 1)]):
        count = 40 if name == "long" else 20
        await put(store, tmp_path, ids(count, 1_000 * start), name, priority=priority)
    order = [
        name
        for (name,) in await ask(
            store,
            "SELECT r.name FROM procrastinate_jobs j"
            " JOIN chunks c ON c.id = (j.args ->> 'chunk_id')::int JOIN runs r ON r.id = c.run_id"
            " ORDER BY j.priority DESC, j.id",
        )
    ]
    assert order == ["urgent", "urgent", "long", "short", "long", "short", "long", "long"]


async def test_a_run_may_get_another_priority(store: Store, tmp_path: Path) -> None:
    await put(store, tmp_path, ids(30))
    await put(store, tmp_path, ids(30), priority=-2_000)
    assert [priority for _, priority in await ask(store, JOBS)] == [
        job_priority(-2_000, number) for number in range(3)
    ]


async def test_the_same_again_changes_nothing(store: Store, tmp_path: Path) -> None:
    first = await put(store, tmp_path, ids(25))
    assert await put(store, tmp_path, ids(25)) == first
    assert len(await ask(store, JOBS)) == first.chunks


@pytest.mark.parametrize("after", [0, 3, 10, 24])
async def test_what_broke_off_is_continued(store: Store, tmp_path: Path, after: int) -> None:
    path = write_csv(tmp_path / "run.csv", ids(25))
    with pytest.raises(OSError, match="the disk is gone"):
        await enqueue(store, Torn(open_rows(path), after), run_of())
    done = await enqueue(store, open_rows(path), run_of())
    assert (done.rows, done.people, done.chunks) == (25, 25, 3)
    assert sum(people for _, people, _ in await ask(store, CHUNKS)) == 25
    assert len(await ask(store, JOBS)) == 3


async def test_who_is_named_again_long_after_they_were_bought_is_bought_once(
    store: Store, url: str, tmp_path: Path
) -> None:
    """The input broke off, and goes on when what was bought is older than `max_age`."""
    api = Api(url)
    path = write_csv(tmp_path / "run.csv", [*ids(25), *ids(3)])
    settings = run_of(max_age=86_400.0)
    with pytest.raises(OSError, match="the disk is gone"):
        await enqueue(store, Torn(open_rows(path), 24), settings)

    async def is_done() -> bool:
        chunks = await ask(store, CHUNKS)
        return all(state in {"done", "filling"} for *_, state in chunks)

    async with working(api.worker()):
        await until(is_done)
    await days_pass(store)
    assert (await enqueue(store, open_rows(path), settings)).people == 25
    await api.worker().run(until_done=True)
    assert set(api.charged().values()) == {1}


@pytest.mark.parametrize("torn", range(5))
async def test_a_commit_that_nobody_hears_of_counts_once(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, torn: int
) -> None:
    numbers = tear(monkeypatch, torn)
    done = await put(store, tmp_path, [*ids(25), "nobody"])
    assert (done.rows, done.malformed, done.people, done.chunks) == (26, 1, 25, 3)
    assert next(numbers) > torn + 1
    monkeypatch.undo()
    assert len(await ask(store, JOBS)) == 3
    assert sum(people for _, people, _ in await ask(store, CHUNKS)) == 25


async def test_two_runs_at_once_share_people_and_nobody_waits_for_ever(
    url: str, tmp_path: Path
) -> None:
    people = ids(200)
    async with Store(url) as one, Store(url) as two:
        first, second = await asyncio.gather(
            put(one, tmp_path, people, "up"), put(two, tmp_path, people[::-1], "down")
        )
        assert first.people + second.people == 200
        assert first.known + second.known == 200
        assert await ask(one, "SELECT count(*), count(DISTINCT key) FROM people") == [(200, 200)]


async def test_a_name_stands_for_one_input(store: Store, tmp_path: Path) -> None:
    await put(store, tmp_path, ids(25))
    for people in (ids(26), ids(24), ids(25, 1), [*ids(24), "another"], []):
        with pytest.raises(ConfigurationError, match="for another input"):
            await put(store, tmp_path, people)
    with pytest.raises(ConfigurationError, match="other contact types"):
        await put(store, tmp_path, ids(25), contact_types=("phone",))
    assert len(await ask(store, JOBS)) == 3


async def test_other_contact_types_and_another_api_are_bought_anew(
    store: Store, tmp_path: Path
) -> None:
    await put(store, tmp_path, ids(5), "one")
    for name, settings in (
        ("two", {"contact_types": ("phone",)}),
        ("three", {"origin": "http://x"}),
    ):
        assert (await put(store, tmp_path, ids(5), name, **settings)).people == 5
    # But the order in which types are named makes no difference, nor how often.
    both = ("phone", "email-work")
    assert (await put(store, tmp_path, ids(5), "four", contact_types=both)).people == 5
    assert (await put(store, tmp_path, ids(5), "five", contact_types=both[::-1])).known == 5
    assert (await put(store, tmp_path, ids(5), "six", contact_types=2 * both)).known == 5
    sizes = "SELECT DISTINCT cardinality(contact_types) AS size FROM scopes ORDER BY size"
    assert await ask(store, sizes) == [(1,), (2,)]


async def test_an_input_without_rows_is_a_run_without_chunks(store: Store, tmp_path: Path) -> None:
    done = await put(store, tmp_path, [])
    assert (done.rows, done.people, done.chunks) == (0, 0, 0)


async def test_an_input_that_waits_is_read_as_it_comes(store: Store) -> None:
    people = ids(25)

    class Pipe:
        name, columns, total, warnings = "stdin", ("people_search_id",), None, ()

        async def people(self) -> object:
            for person in people:
                await asyncio.sleep(0)
                yield person

        def cells(self) -> None:
            pass

    seen: list[int] = []
    done = await enqueue(store, Pipe(), run_of(), on_rows=seen.append)  # type: ignore[arg-type]  # an async generator is one
    assert done.people == 25
    assert seen == [10, 20, 25]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"name": " "}, "name of a run"),
        ({"name": "a\nb"}, "name of a run"),
        ({"priority": 2_001}, "priority"),
        ({"contact_types": ()}, "contact type"),
        ({"contact_types": ("phone", "fax")}, "'fax' is no contact type"),
        ({"batch_size": 0}, "batch_size"),
        ({"order": "soon"}, "order"),
        ({"max_credits": 5}, "worst_case"),
        ({"max_credits": -1, "worst_case": 5}, "max_credits must be at least 0"),
        ({"max_credits": 5, "worst_case": float("nan")}, "worst_case must be at least 0"),
        ({"max_age": -1.0}, "max_age must be at least 0"),
    ],
)
async def test_settings_are_checked(
    store: Store, tmp_path: Path, settings: dict[str, object], words: str
) -> None:
    path = write_csv(tmp_path / "run.csv", ids(2))
    with pytest.raises(ConfigurationError, match=words):
        await enqueue(store, open_rows(path), run_of(**settings))
    assert await ask(store, "SELECT 1 FROM runs") == []
