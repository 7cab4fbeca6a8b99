"""A wall clock that is set while a run lasts, or was wrong all along: money does not notice."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.cli.conftest import ids, write_csv
from tests.process.books import arrived, assert_balanced, read
from tests.process.conftest import BATCH, QUERY, Api, StartApi, StartCli, held
from tests.process.proxy import Fate, Hold, always_pass

PEOPLE = ids(40)
TYPES = ("email-work", "phone")
HOUR = 3600.0


class Clock:
    """A wall clock, as a file that says by how much it is wrong."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def set(self, wrong_by: float) -> None:
        # Put in its place as a whole: it is read meanwhile.
        part = self.path.with_suffix(".part")
        part.write_text(str(wrong_by))
        part.replace(self.path)


async def killed_under_way(
    cli: StartCli, served: Api, clock: Clock, folder: Path, last: Hold
) -> Sequence[str | Path | int]:
    """Starts a run and kills it while a request is held; returns its words."""
    words = [
        "redeem", write_csv(folder / "in.csv", PEOPLE), "-o", folder / "out.csv",
        "--types", ",".join(TYPES), "--batch-size", 5, "--progress", "none",
        "--rate", "unlimited", "--max-concurrency", 1,
    ]  # fmt: skip
    process = await cli(*words, url=served.url, clock=str(clock.path))
    await held(last, process)
    process.child.kill()
    await process.end()
    served.proxy.plan = always_pass
    return words


@pytest.mark.parametrize(
    "wrong_by",
    [(0.0, 5 * HOUR, 0.0), (0.0, -5 * HOUR, -5 * HOUR), (-900 * HOUR, 0.0, 0.0)],
)
async def test_a_clock_that_is_set_during_a_run_loses_nothing(
    cli: StartCli,
    api: StartApi,
    tmp_path: Path,
    hold: Hold,
    wrong_by: tuple[float, float, float],
) -> None:
    at_first, later, in_the_end = wrong_by
    clock = Clock(tmp_path / "clock")
    clock.set(at_first)
    fates: dict[tuple[str, int], Fate] = {
        (BATCH, 2): "reset_after",
        (BATCH, 4): "truncate",
        (QUERY, 1): "reset_after",
        (BATCH, 6): hold,
    }

    def plan(path: str, number: int) -> Fate:
        if (path, number) == (BATCH, 3):
            clock.set(later)
        return fates.get((path, number), "pass")

    served = await api(plan)
    words = await killed_under_way(cli, served, clock, tmp_path, hold)
    clock.set(in_the_end)
    ended = await (await cli(*words, url=served.url, clock=str(clock.path))).end()

    told = read(tmp_path / "out.csv", PEOPLE)
    assert ended.code == 0, (ended.err, set(told.errors.values()))
    await assert_balanced(served, told, TYPES, tmp_path / "out.csv.journal")
    assert served.proxy.seen[BATCH] == 8


@pytest.mark.parametrize("wrong_by", [-5 * HOUR, 5 * HOUR])
async def test_a_clock_that_was_wrong_until_the_resume_makes_nobody_pay_twice(
    cli: StartCli, api: StartApi, tmp_path: Path, hold: Hold, wrong_by: float
) -> None:
    clock = Clock(tmp_path / "clock")
    clock.set(wrong_by)
    served = await api(lambda path, number: hold if (path, number) == (BATCH, 4) else "pass")
    words = await killed_under_way(cli, served, clock, tmp_path, hold)
    clock.set(0.0)
    ended = await (await cli(*words, url=served.url, clock=str(clock.path))).end()

    told = read(tmp_path / "out.csv", PEOPLE)
    lost = told.people("unsettled")
    # By a clock that was behind the lost request is looked for where it is not.
    assert len(lost) in ({0} if wrong_by > 0 else {0, 5})
    assert ended.code == (3 if lost else 0), ended.err
    for person in lost:
        assert "in the request log: " in told.errors[person]
    assert served.charged() <= told.people("found") | lost
    assert set((await arrived(served.direct)).values()) == {1}
    assert served.sandbox.statistics().repeated_people == 0
    assert served.proxy.seen[BATCH] == 8
