"""Starts the server on this machine's own address and prints where it is.

    python -m examples.webapp --sandbox
    PUBRIO_API_KEY=... python -m examples.webapp --folder jobs

With `--sandbox` it talks to a stand-in for the API: no key, no credits, and everybody in it is made
up. Without, it spends credits, for whoever can reach it.
"""

from __future__ import annotations

import argparse
import logging
import os
import socket
import sys
from contextlib import suppress
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from examples.webapp.app import create_app
from examples.webapp.settings import Settings
from pubrio_async import AsyncPubrio, ConfigurationError
from pubrio_async.sandbox import SandboxConfig

SANDBOX_FOLDER = Path("build/webapp")
# Slow enough to watch, and no two jobs take the same time.
DEMO = SandboxConfig(
    latency=0.05,
    distribution="lognormal",
    base_s=4.0,
    spread=0.6,
    estimate_quantile=0.3,
    estimate_unit="ms",
)


class Server(uvicorn.Server):
    """A server that ends its event streams before it waits for them."""

    def __init__(self, config: uvicorn.Config, app: FastAPI) -> None:
        super().__init__(config)
        self._app = app

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Opens everything, and says where it is."""
        await super().startup(sockets)
        if self.started and sockets:
            print(f"http://127.0.0.1:{sockets[0].getsockname()[1]}", flush=True)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Ends it: no new requests, then the streams, then the jobs, then the client."""
        self._app.state.store.close()
        await super().shutdown(sockets)


def arguments() -> argparse.Namespace:
    """What was asked for on the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m examples.webapp", description="A page to redeem contacts with."
    )
    parser.add_argument("--sandbox", action="store_true", help="use a stand-in for the API")
    parser.add_argument("--port", type=int, default=8000, help="0 lets the system choose")
    parser.add_argument("--folder", type=Path, help="where jobs are kept, and what they found")
    asked = parser.parse_args()
    if asked.folder is None:
        if not asked.sandbox:
            parser.error("name a --folder to keep jobs in: what is paid for is kept there")
        asked.folder = SANDBOX_FOLDER
    return asked


def main() -> int:
    """Runs the server until it is interrupted."""
    asked = arguments()
    # What is written here is for its owner alone, whatever the shell says.
    os.umask(0o077)
    # Jobs of the stand-in and of the real API are nothing to each other.
    if asked.sandbox:
        settings = Settings(folder=asked.folder / "sandbox", sandbox=DEMO, batch_size=10)
    else:
        settings = Settings(folder=asked.folder / "api")
    app = create_app(settings)
    try:
        if not asked.sandbox:
            AsyncPubrio()  # for what it says of a missing key, before anything is opened
        listener = socket.create_server(("127.0.0.1", asked.port))
    except ConfigurationError as error:
        print(f"{error} (--sandbox needs no key.)", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"Port {asked.port} cannot be used ({error.strerror}): try --port 0", file=sys.stderr)
        return 2
    with listener:
        config = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=5,
        )
        server = Server(config, app)
        # What cannot be opened says so in one line, below; uvicorn would add the way there.
        logging.getLogger("uvicorn.error").addFilter(lambda _: not hasattr(app.state, "refused"))
        with suppress(KeyboardInterrupt, SystemExit):
            server.run(sockets=[listener])
    if hasattr(app.state, "refused"):
        print(app.state.refused, file=sys.stderr)
    return 0 if server.started else 2


if __name__ == "__main__":
    sys.exit(main())
