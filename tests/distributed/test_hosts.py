"""Workers on hosts of their own, whose packets vanish: nobody hears of an end.

What counts is in the ledger of the stand-in: nobody is paid for twice, and nothing paid is lost.
"""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from tests.distributed.cluster import programs
from tests.distributed.cut_off import LIMIT, PERIOD_S, Facts
from tests.distributed.network import apart, missing, refused
from tests.needs import lacking
from tests.unit.permits import most_within


@pytest.mark.timeout(90)
async def test_who_is_cut_off_pays_for_nobody_twice_and_breaks_no_limit(tmp_path: Path) -> None:
    """One is without database for longer than its leases live, the other without API.

    Each time with a request on the way: carried out, and its reply not written down, or lost.
    """
    if programs() is None:
        lacking("PostgreSQL is not installed: no initdb on the PATH (apt: postgresql)")
    if program := missing():
        lacking(f"a network of its own takes the program {program}")
    if why := refused():
        # Nothing that could be installed would help, so this is no reason to fail anywhere.
        pytest.skip(f"this machine lets nobody make a network of their own: {why}")
    script = (sys.executable, "-m", "tests.distributed.cut_off", str(tmp_path))
    process = await asyncio.create_subprocess_exec(*apart(*script), stdout=PIPE, stderr=PIPE)
    told, said = await process.communicate()
    assert process.returncode == 0, said.decode()
    facts = msgspec.json.decode(told, type=Facts)

    assert facts.charged.keys() == {1}
    # Every row once, and none forgotten.
    assert facts.rows == len(facts.ends) == facts.people
    ended = Counter(facts.ends.values())
    assert ended.keys() <= {"found", "empty", "unsettled"}
    assert ended["found"] > facts.people / 2
    found = {person for person, end in facts.ends.items() if end == "found"}
    lost = {person for person, end in facts.ends.items() if end == "unsettled"}
    assert found <= set(facts.charged_people) <= found | lost

    assert most_within(PERIOD_S, facts.requests) <= LIMIT
    assert facts.rescued > 0
    assert facts.sent_while_cut == 0
    assert facts.back
    assert facts.went_on
    assert facts.codes == [0, 0]
