"""A small service for aiohttp.web: people in, outcomes out, one line each as they settle.

    python examples/aiohttp_web.py --sandbox
    curl -N 127.0.0.1:8081/redeem --json '{"people": ["e37ccf38-ea8f-422e-9874-cb23b15e8fe4"]}'

With `--sandbox` it talks to a stand-in for the API inside this process. Without, it needs
PUBRIO_API_KEY and spends credits, for whoever can reach it.
"""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator
from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta, Struct

from pubrio_async import AsyncPubrio, ConfigurationError
from pubrio_async.endpoints import ContactTypeName
from pubrio_async.sandbox import Sandbox, SandboxConfig, SandboxServer

PUBRIO = web.AppKey("pubrio", AsyncPubrio)


class Order(Struct, forbid_unknown_fields=True):
    """The body of a request: who, what to look for, and what it may cost."""

    people: Annotated[list[str], Meta(min_length=1, max_length=10_000)]
    types: tuple[ContactTypeName, ...] = ("email-work",)
    max_credits: Annotated[float, Meta(gt=0, le=5_000)] = 500


async def redeem(request: web.Request) -> web.StreamResponse:
    """Streams one outcome a line. Spends credits.

    Whoever hangs up ends the run: leaving the block lets what is under way finish, and sends
    nothing more. There is no journal here, so what was not read by then is lost; the larger example
    in `examples/webapp` keeps one.
    """
    # No page of another site can send this type without asking first, and nobody answers it.
    if request.content_type != "application/json":
        return web.json_response({"message": "Send JSON, and say so."}, status=415)
    try:
        order = msgspec.json.decode(await request.read(), type=Order)
        run = request.app[PUBRIO].redeem.many(
            order.people, people_contact_types=order.types, max_credits=order.max_credits
        )
    except (msgspec.DecodeError, ConfigurationError) as error:
        return web.json_response({"message": str(error)}, status=400)
    reply = web.StreamResponse(headers={"content-type": "application/x-ndjson"})
    async with run:
        await reply.prepare(request)
        async for outcome in run:
            # Waits for a slow reader, and so does the run: no more is sent than is read.
            await reply.write(msgspec.json.encode(outcome) + b"\n")
    await reply.write_eof()
    return reply


async def statistics(request: web.Request) -> web.Response:
    """The client as it stands now: requests left, runs open."""
    body = msgspec.json.encode(request.app[PUBRIO].statistics())
    return web.Response(body=body, content_type="application/json")


def make_app(*, sandbox: SandboxConfig | None = None) -> web.Application:
    """The application. One client lives as long as it does, shared by all requests."""

    async def client(app: web.Application) -> AsyncIterator[None]:
        if sandbox is None:
            async with AsyncPubrio() as app[PUBRIO]:
                yield
            return
        async with SandboxServer(Sandbox(sandbox)) as api, AsyncPubrio("sandbox", api.url) as mine:
            app[PUBRIO] = mine
            yield

    app = web.Application(client_max_size=1 << 20)
    app.cleanup_ctx.append(client)
    app.add_routes([web.post("/redeem", redeem), web.get("/statistics", statistics)])
    return app


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A small service for aiohttp.web.")
    parser.add_argument("--sandbox", action="store_true", help="use a stand-in for the API")
    parser.add_argument("--port", type=int, default=8081)
    asked = parser.parse_args()
    web.run_app(
        make_app(sandbox=SandboxConfig(time_scale=0.3) if asked.sandbox else None),
        host="127.0.0.1",
        port=asked.port,
        handler_cancellation=True,
    )
