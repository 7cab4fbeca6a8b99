"""A form becomes an order, or one sentence that says why not."""

from __future__ import annotations

from math import isfinite
from pathlib import PurePath

from fastapi import HTTPException, Request
from msgspec import Struct
from starlette.datastructures import FormData, UploadFile

from examples.webapp.intake import ENDINGS
from pubrio_async.endpoints import ContactTypeName

TYPES: tuple[ContactTypeName, ...] = ("email-work", "email-personal", "phone")
MOST_CREDITS = 1_000_000.0


class Order(Struct, frozen=True):
    """What a visitor asks for.

    Attributes:
        title: What the job is called: the name of the file, or that it was pasted.
        ending: Which kind of file the content is.
        content: The rows, as they came.
        types: What to look for.
        max_credits: What it may cost.
    """

    title: str
    ending: str
    content: bytes
    types: tuple[ContactTypeName, ...]
    max_credits: float


async def read_order(request: Request, max_upload: int) -> Order:
    """Reads the form of a new job.

    Raises:
        HTTPException: It cannot be used; the detail is for the visitor.
    """
    async with request.form(max_files=1, max_fields=10, max_part_size=max_upload) as form:
        asked = form.getlist("types")
        types: tuple[ContactTypeName, ...] = tuple(name for name in TYPES if asked.count(name))
        if not types:
            raise HTTPException(422, "Choose at least one type of contact.")
        max_credits = read_credits(form)
        file, text = form.get("file"), form.get("people")
        if isinstance(file, UploadFile) and file.filename:
            ending = PurePath(file.filename).suffix.lower()
            if ending not in ENDINGS:
                raise HTTPException(422, f"The file must be one of {', '.join(ENDINGS)}.")
            title = PurePath(file.filename).name[:80]
            return Order(title, ending, await file.read(), types, max_credits)
        if isinstance(text, str) and text.strip():
            return Order("Pasted list", ".txt", text.encode(), types, max_credits)
    raise HTTPException(422, "Paste some people, one a line, or choose a file.")


def read_credits(form: FormData) -> float:
    """The credits something may cost.

    Raises:
        HTTPException: It is no number, or out of bounds.
    """
    try:
        number = float(str(form.get("max_credits")))
    except ValueError:
        number = -1.0
    if not (isfinite(number) and 0 < number <= MOST_CREDITS):
        raise HTTPException(422, f"The most to spend is a number from 1 to {MOST_CREDITS:,.0f}.")
    return number
