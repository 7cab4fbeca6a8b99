"""A sandbox that remembers what it was asked, and whose people can be said."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import msgspec
from msgspec import Struct

from pubrio_async.sandbox.config import SandboxConfig
from pubrio_async.sandbox.core import Sandbox
from pubrio_async.sandbox.log import visible_headers
from pubrio_async.sandbox.people import ContactRow, format_id, normalise_linkedin, parse_id
from pubrio_async.sandbox.wire import SandboxReply, SandboxRequest

_UNANSWERED = frozenset({"before_headers", "reset", "stall"})


class SeenRequest(Struct, frozen=True, kw_only=True):
    """One request that reached the sandbox.

    Attributes:
        method: Such as `POST`.
        path: Such as `/redeem/people/batch`.
        headers: Names in lower case; the key is not shown.
        raw: The body as it came.
        status: Status of the reply; None if a fault kept it from being sent.
        at: Seconds on the clock of the sandbox; only differences mean anything.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    raw: bytes
    status: int | None
    at: float

    @property
    def body(self) -> Any:
        """The body decoded from JSON, anew each time; None if there was none.

        Raises:
            ValueError: It is not JSON.
        """
        return msgspec.json.decode(self.raw) if self.raw else None


class RecordingSandbox(Sandbox):
    """The sandbox behind the kits: asked in one thread, looked at and changed from another.

    Attributes:
        lock: To be held around anything else of it that is read or changed.
        seen: The requests so far, oldest first.
    """

    def __init__(self, config: SandboxConfig) -> None:
        self.lock: AbstractContextManager[object] = threading.RLock()
        self.seen: list[SeenRequest] = []
        self._made_up = 0
        super().__init__(config)

    def begin_anew(self, config: SandboxConfig) -> None:
        """Forgets everything, and is what `config` says from then on."""
        with self.lock:
            epoch = self.epoch
            super().__init__(config)
            if config.epoch is None:
                self.epoch = epoch
            self.seen = []
            self._made_up = 0

    def handle(self, request: SandboxRequest, now: float) -> SandboxReply:
        """Carries out a request, and remembers it."""
        with self.lock:
            reply = super().handle(request, now)
            self.seen.append(
                SeenRequest(
                    method=request.method,
                    path=request.path,
                    headers=dict(visible_headers(request)),
                    raw=request.body,
                    status=None if reply.cut in _UNANSWERED else reply.status,
                    at=now,
                )
            )
            return reply

    def undelivered(self, reply: SandboxReply) -> None:
        """Takes note that the client never got this reply."""
        with self.lock:
            super().undelivered(reply)

    def make_up(self, count: int) -> list[str]:
        """Ids that were not made up before, the same for the same seed."""
        with self.lock:
            first, self._made_up = self._made_up, self._made_up + count
            make_id = self._people.make_id
            return [format_id(make_id("made up", n)) for n in range(first, first + count)]

    def set_contacts(self, person: str, contacts: Sequence[ContactRow]) -> None:
        """Gives somebody just these contacts.

        Raises:
            ValueError: `person` is neither an id nor the URL of a profile.
        """
        with self.lock:
            raw = parse_id(person)
            if raw is None:
                profile = normalise_linkedin(person)
                if profile is None:
                    raise ValueError(_NOBODY)
                raw = self._people.make_id("linkedin", profile)
                self._people.tell_profile(profile, raw)
            self._people.tell(raw, tuple(contacts))
            self._redeem.unknown.discard(raw)

    def set_unresolvable(self, url: str) -> None:
        """Lets nobody be behind a profile.

        Raises:
            ValueError: `url` is not the URL of a profile.
        """
        profile = normalise_linkedin(url)
        if profile is None:
            raise ValueError(_NOBODY)
        with self.lock:
            self._people.tell_profile(profile, None)

    def refuse(self, people_search_id: str) -> None:
        """Refuses every request that holds this id.

        Raises:
            ValueError: It is not an id.
        """
        raw = parse_id(people_search_id)
        if raw is None:
            msg = (
                "Only a people_search_id can be one the API does not know. For a profile URL, "
                'use inject("400", path="/redeem/people$").'
            )
            raise ValueError(msg)
        with self.lock:
            self._redeem.unknown.add(raw)


_NOBODY = "A person is a people_search_id or the URL of a LinkedIn profile; this is neither."
