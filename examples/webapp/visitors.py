"""Who is asking: a random cookie, and nothing kept of it but its hash.

There is no table of sessions that could fill up: a job carries the hash of its owner's cookie, and
whoever shows the cookie is the owner.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import Annotated

from fastapi import Depends, HTTPException, Request, Response

COOKIE = "visitor"
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
_AGE_S = 30 * 24 * 3600


def greet(request: Request, response: Response) -> None:
    """Gives a browser its cookie, if it has none yet."""
    if not _TOKEN.fullmatch(request.cookies.get(COOKIE, "")):
        response.set_cookie(
            COOKIE,
            secrets.token_urlsafe(32),
            max_age=_AGE_S,
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )


def _visitor(request: Request) -> str:
    token = request.cookies.get(COOKIE, "")
    if not _TOKEN.fullmatch(token):
        raise HTTPException(401, "This browser has no cookie yet: reload the page.")
    return hashlib.sha256(token.encode()).hexdigest()


Visitor = Annotated[str, Depends(_visitor)]
