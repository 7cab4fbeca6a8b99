"""The endpoints the stand-in has no model of: they answer with the documented sample."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any

import msgspec
from msgspec import Struct

from pubrio_async.sandbox.people import encode

_FOLDER = resources.files("pubrio_async.sandbox") / "samples"


class Route(Struct, frozen=True):
    """One endpoint of the API.

    Attributes:
        name: Its name in the client.
        method: `GET` or `POST`.
        path: Its path.
        sample: File of the documented reply, where there is one.
        items_key: Where a paginated reply holds its rows.
    """

    name: str
    method: str
    path: str
    sample: str | None
    items_key: str | None


@cache
def routes() -> dict[str, Route]:
    """All endpoints of the API by path."""
    found = msgspec.json.decode((_FOLDER / "routes.json").read_bytes(), type=list[Route])
    return {route.path: route for route in found}


@cache
def sample_data(name: str) -> bytes:
    """The bytes of a sample; do not ask for one that is not there."""
    return (_FOLDER / name).read_bytes()


def sample_reply(route: Route, fields: dict[str, Any]) -> bytes:
    """The documented reply; a sample of a list holds one page, all others are empty."""
    if route.sample is None:
        return b'{"data":null}'
    content = sample_data(route.sample)
    page = fields.get("page", 1)
    if route.items_key is None or not isinstance(page, int) or page == 1:
        return content
    reply: dict[str, Any] = msgspec.json.decode(content)
    reply["data"][route.items_key] = []
    reply["data"]["pagination"]["page"] = page
    return encode(reply)
