"""What the tests of `resolve` share: a request that is lost, and how many there were."""

from __future__ import annotations

from pubrio_async.testing import PubrioSandbox

# Lost before it came to the API: nothing of it is in the log, and nothing was charged.
NEVER_CAME = "lost_before:/redeem/people/batch$:times=1"


def requests(sandbox: PubrioSandbox, path: str = "/redeem/people/batch") -> int:
    return sandbox.statistics().requests_by_path.get(path, 0)
