"""A small service for Litestar, which speaks msgspec: the Structs of the SDK are its replies.

    python examples/litestar_app.py --sandbox
    curl "http://127.0.0.1:8082/people?title=CTO"
    curl -X POST http://127.0.0.1:8082/people/e37ccf38-ea8f-422e-9874-cb23b15e8fe4/contacts

With `--sandbox` it talks to a stand-in for the API inside this process. Without, it needs
PUBRIO_API_KEY and spends credits, for whoever can reach it.
"""

from __future__ import annotations

import argparse
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from uuid import UUID

import uvicorn
from litestar import Litestar, Request, Response, get, post
from litestar.connection import ASGIConnection
from litestar.datastructures import State
from litestar.exceptions import PermissionDeniedException
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath, FromQuery

from pubrio_async import AsyncPubrio, ConfigurationError, PubrioError, ResponseError
from pubrio_async.models import PersonRow, RedeemPeopleReply
from pubrio_async.sandbox import Sandbox, SandboxConfig, SandboxServer


@get("/people")
async def search(
    state: State, title: FromQuery[str], limit: FromQuery[int] = 10
) -> list[PersonRow]:
    """People with a title. Spends credits: one search for every 25 people."""
    pubrio: AsyncPubrio = state.pubrio
    rows = pubrio.people.search_iter(people_titles=[title], max_items=min(limit, 100))
    return [row async for row in rows]


@post("/people/{person:uuid}/contacts")
async def contacts(state: State, person: FromPath[UUID]) -> RedeemPeopleReply:
    """The work e-mail of a person. Spends credits if there is one."""
    pubrio: AsyncPubrio = state.pubrio
    return await pubrio.redeem.people(
        people_search_id=str(person), people_contact_types=["email-work"]
    )


def only_ours(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Keeps the pages of others from spending credits through the browser of whoever runs this."""
    if connection.headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}:
        raise PermissionDeniedException("Not for other pages.")


def refused(_: Request[Any, Any, Any], error: PubrioError) -> Response[dict[str, str]]:
    """What the API, or the way to it, has to say; its bodies and our key stay here."""
    if isinstance(error, ConfigurationError):
        return Response({"message": str(error)}, status_code=400)
    status = error.status if isinstance(error, ResponseError) else 0
    return Response(
        {"message": type(error).__name__}, status_code=status if status in {402, 404, 429} else 502
    )


def make_app(*, sandbox: SandboxConfig | None = None) -> Litestar:
    """The application. One client lives as long as it does, shared by all requests."""

    @asynccontextmanager
    async def client(app: Litestar) -> AsyncGenerator[None, None]:
        async with AsyncExitStack() as stack:
            key, url = None, None
            if sandbox is not None:
                api = await stack.enter_async_context(SandboxServer(Sandbox(sandbox)))
                key, url = "sandbox", api.url
            app.state.pubrio = await stack.enter_async_context(AsyncPubrio(key, url))
            yield

    return Litestar(
        [search, contacts],
        guards=[only_ours],
        lifespan=[client],
        exception_handlers={PubrioError: refused},
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A small service for Litestar.")
    parser.add_argument("--sandbox", action="store_true", help="use a stand-in for the API")
    parser.add_argument("--port", type=int, default=8082)
    asked = parser.parse_args()
    uvicorn.run(make_app(sandbox=SandboxConfig() if asked.sandbox else None), port=asked.port)
