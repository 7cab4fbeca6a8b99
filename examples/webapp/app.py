"""Puts the parts together; the client lives as long as the application."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypedDict

from fastapi import FastAPI, HTTPException, Request
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException as PlainHTTPException

from examples.webapp.demo_api import demo_api
from examples.webapp.guard import Guard
from examples.webapp.records import sole_user
from examples.webapp.routes import STATIC, Json, router
from examples.webapp.settings import Settings
from examples.webapp.store import Store
from pubrio_async import AsyncPubrio, ConfigurationError


class State(TypedDict):
    """What a request finds at `request.state`."""

    store: Store


def create_app(settings: Settings) -> FastAPI:
    """The application. Everything it owns is opened when it starts, and closed when it ends."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[State, None]:
        async with AsyncExitStack() as stack:
            try:
                store = app.state.store = await _open(settings, stack)
            except ConfigurationError as error:
                app.state.refused = str(error)
                raise
            yield {"store": store}

    # The pages FastAPI makes of its own load scripts from elsewhere.
    app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.include_router(router)
    app.mount("/static", StaticFiles(directory=STATIC))
    app.add_middleware(Guard, hosts=settings.hosts, max_upload=settings.max_upload)

    @app.exception_handler(PlainHTTPException)
    async def refused(request: Request, error: HTTPException) -> Json:  # noqa: ARG001 - its shape
        """One sentence, in the same shape everywhere."""
        return Json({"message": error.detail}, status_code=error.status_code)

    return app


async def _open(settings: Settings, stack: AsyncExitStack) -> Store:
    """Opens what the application stands on; the stack closes it, in the other order."""
    stack.enter_context(sole_user(settings.folder))
    key, url = None, None
    if settings.sandbox is not None:
        api = demo_api(settings.folder, settings.sandbox)
        key, url = "sandbox", await stack.enter_async_context(api)
    pubrio = await stack.enter_async_context(AsyncPubrio(api_key=key, base_url=url))
    return await stack.enter_async_context(Store(settings, pubrio))
