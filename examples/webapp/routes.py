"""The HTTP interface, each route a few lines."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Header, HTTPException, Request, Response
from fastapi.responses import FileResponse, StreamingResponse
from msgspec import Struct

from examples.webapp.feed import Cursor, events
from examples.webapp.order import TYPES, read_credits, read_order
from examples.webapp.store import Store
from examples.webapp.visitors import Visitor, greet
from pubrio_async import PubrioError

STATIC = Path(__file__).parent / "static"
router = APIRouter()


class Json(Response):
    """A reply of our Structs: msgspec writes them as they are."""

    media_type = "application/json"

    def render(self, content: object) -> bytes:
        """Writes the body."""
        return msgspec.json.encode(content)


class Account(Struct, frozen=True, kw_only=True):
    """What the page has to know before anything is sent.

    Attributes:
        prices: The most that one record of each type costs, in credits.
    """

    is_sandbox: bool
    credit: float | None
    topup_credit: float | None
    prices: dict[str, float]
    max_rows: int
    max_upload: int


def _store(request: Request) -> Store:
    store: Store = request.state.store
    return store


Jobs = Annotated[Store, Depends(_store)]


@router.get("/")
async def page(request: Request) -> FileResponse:
    """The page, and a cookie for whoever comes for the first time."""
    response = FileResponse(STATIC / "index.html", media_type="text/html")
    greet(request, response)
    return response


@router.get("/api/account")
async def account(store: Jobs, _visitor: Visitor) -> Json:
    """Balances and prices; costs one free request."""
    email = phone = credit = topup = None
    try:
        profile = await store.pubrio.profile.get()
    except PubrioError:
        pass  # the page does without: a run says what is wrong
    else:
        credit, topup = profile.credit, profile.topup_credit
        email = profile.subscription.email_redeem_credit
        phone = profile.subscription.phone_number_redeem_credit
    prices: dict[str, float] = {
        name: (phone or 10) if name == "phone" else (email or 5) for name in TYPES
    }
    settings = store.settings
    return Json(
        Account(
            is_sandbox=settings.sandbox is not None,
            credit=credit,
            topup_credit=topup,
            prices=prices,
            max_rows=settings.max_rows,
            max_upload=settings.max_upload,
        )
    )


@router.post("/api/jobs")
async def create(request: Request, store: Jobs, visitor: Visitor) -> Json:
    """Begins a job. Spends credits, up to the limit in the form."""
    order = await read_order(request, store.settings.max_upload)
    job = await store.create(visitor, order)
    return Json(job.summary(), status_code=201)


@router.post("/api/jobs/{job_id}/cancel")
async def cancel(job_id: str, store: Jobs, visitor: Visitor) -> Json:
    """Ends a job in good order. What was accepted by the API may still be charged."""
    job = store.get(visitor, job_id)
    job.stop("cancelled")
    return Json(job.summary())


@router.post("/api/jobs/{job_id}/resume")
async def resume(request: Request, job_id: str, store: Jobs, visitor: Visitor) -> Json:
    """Goes on with a job. Spends credits, up to the limit in the form."""
    job = store.get(visitor, job_id)
    async with request.form(max_files=0, max_fields=2) as form:
        max_credits = read_credits(form)
    store.resume(job, max_credits)
    return Json(job.summary())


@router.delete("/api/jobs/{job_id}")
async def remove(job_id: str, store: Jobs, visitor: Visitor) -> Response:
    """Forgets a job and its contacts."""
    await store.remove(store.get(visitor, job_id))
    return Response(status_code=204)


@router.get("/api/jobs/{job_id}/results.csv")
async def results(job_id: str, store: Jobs, visitor: Visitor) -> Response:
    """The input's own columns, in its own order, and what was found."""
    job = store.get(visitor, job_id)
    if not job.summary().downloadable:
        return Json({"message": "There are no results yet."}, status_code=409)
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", Path(job.record.title).stem).strip("-").lower()
    return FileResponse(
        job.folder.results, media_type="text/csv", filename=f"{stem or 'people'}-contacts.csv"
    )


@router.get("/api/events")
async def listen(
    store: Jobs,
    visitor: Visitor,
    job: str | None = None,
    after: str = "",
    last_event_id: Annotated[str, Header()] = "",
) -> StreamingResponse:
    """What happens, as it happens; goes on behind `Last-Event-ID`."""
    if store.streams[visitor] >= store.settings.max_streams:
        raise HTTPException(429, "Too many tabs are open.")
    headers: dict[str, Any] = {"x-accel-buffering": "no"}
    return StreamingResponse(
        events(store, visitor, job, Cursor.parse(last_event_id or after)),
        media_type="text/event-stream",
        headers=headers,
    )
