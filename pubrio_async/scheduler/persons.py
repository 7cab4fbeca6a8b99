"""From what the input says to whom it means: a key for each person, or the reason there is none."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote, urlsplit

_UUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_USUAL_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_PROFILE_PATH = re.compile(r"/(in|pub)/\s*([^/\s][^/]*?)\s*(/.*)?")
_END = re.compile(r"[/\s]+\Z")


class NotAPersonError(ValueError):
    """The text names nobody; the message says why."""


def person_key(person: str) -> str:
    """The one spelling of a person under which the run knows them.

    Args:
        person: A `people_search_id` or the URL of a LinkedIn page, as the input has it.

    Returns:
        The id in lower case, or the canonical URL (`https://www.linkedin.com/in/...`); this is
        also what is sent. It is its own key: what a journal or the request log gives back, and
        is read once more, is nobody else.

    Raises:
        NotAPersonError: It is neither.
    """
    if _USUAL_UUID.fullmatch(person):
        return person
    text = person.strip()
    if _UUID.fullmatch(text):
        return text.lower()
    if not text:
        msg = "empty: there is no people_search_id or LinkedIn URL in this row"
        raise NotAPersonError(msg)
    if "linkedin.com" in text.lower():
        return _linkedin_key(text)
    msg = (
        "malformed: neither a people_search_id (a UUID such as "
        "e37ccf38-ea8f-422e-9874-cb23b15e8fe4) nor a LinkedIn URL "
        "(https://www.linkedin.com/in/...)"
    )
    raise NotAPersonError(msg)


def is_url(key: str) -> bool:
    """True if the key is a LinkedIn URL, which only the single endpoint takes."""
    return key.startswith("https://")


def _linkedin_key(text: str) -> str:
    if "://" not in text:
        text = f"https://{text}"
    path = _linkedin_path(text)
    if path is None:
        msg = "malformed: the URL does not lead to linkedin.com"
        raise NotAPersonError(msg)
    match = _PROFILE_PATH.fullmatch(unquote(path).lower().strip())
    if match is None:
        msg = "malformed: a LinkedIn URL of a person has /in/ or /pub/ and a name after it"
        raise NotAPersonError(msg)
    kind, name, rest = match.groups()
    # What follows a name under /in/ is a language or a sub-page; under /pub/ it is part of it.
    tail = "" if kind == "in" else _END.sub("", rest or "")
    try:
        return f"https://www.linkedin.com/{kind}/{quote(name)}{quote(tail)}"
    except UnicodeEncodeError:
        msg = "malformed: the LinkedIn URL holds half of a character"
    raise NotAPersonError(msg)


def _linkedin_path(url: str) -> str | None:
    """The path of a URL on linkedin.com; None for any other URL."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return None
    at_linkedin = host == "linkedin.com" or host.endswith(".linkedin.com")
    return parts.path if at_linkedin and parts.scheme in {"http", "https"} else None
