"""The table of endpoints: which path is answered by what, with which verb."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from pubrio_async.sandbox.account import AccountDesk
from pubrio_async.sandbox.channels import ChannelDesk
from pubrio_async.sandbox.config import SandboxConfig
from pubrio_async.sandbox.ledger import Ledger
from pubrio_async.sandbox.log import RequestLog
from pubrio_async.sandbox.lookups import LookupDesk
from pubrio_async.sandbox.monitor_runs import Runner
from pubrio_async.sandbox.monitors import MonitorDesk
from pubrio_async.sandbox.people import People
from pubrio_async.sandbox.redeem import BATCH, LOOKUP, LOOKUP_BATCH, PEOPLE, QUERY, RedeemDesk
from pubrio_async.sandbox.reference import fixed_lists, searched_lists
from pubrio_async.sandbox.search import SearchDesk
from pubrio_async.sandbox.signals import Signals
from pubrio_async.sandbox.usage import UsageDesk
from pubrio_async.sandbox.wire import Answer, Handler
from pubrio_async.sandbox.world import World

_decode = msgspec.json.Decoder(dict[str, Any]).decode


class Endpoint(NamedTuple):
    """One endpoint; `answer` takes the body as it came, and the time."""

    method: str
    answer: Callable[[bytes, float], Answer]


class Parts(NamedTuple):
    """What the sandbox has of its own, and the endpoints share."""

    config: SandboxConfig
    people: People
    ledger: Ledger
    log: RequestLog
    redeem: RedeemDesk
    account: AccountDesk
    wall: Callable[[float], float]


def endpoints(parts: Parts) -> dict[str, Endpoint]:
    """All endpoints of the API by path."""
    config, people, ledger = parts.config, parts.people, parts.ledger
    redeem, account, log = parts.redeem, parts.account, parts.log
    world = World(people, config.world_people)
    signals = Signals(world)
    search = SearchDesk(config, world, signals, ledger)
    lookups = LookupDesk(config, world, signals, ledger)
    runner = Runner(config, people, world, signals)
    channels = ChannelDesk(people, parts.wall)
    usage = UsageDesk(log, parts.wall)
    read: dict[str, Handler] = {
        "/user": account.user,
        "/channels/types/templates": channels.types,
        **fixed_lists(signals),
    }
    posted: dict[str, Handler] = {
        "/profile": account.profile,
        "/profile/usage": account.usage,
        "/people/search": search.people,
        "/people/search/similar": search.similar_people,
        "/people/lookup": lookups.person,
        "/people/linkedin/lookup": lookups.person_at_linkedin,
        "/people/enrichment": lookups.enriched_person,
        "/companies/search": search.companies,
        "/companies/lookup": lookups.company,
        "/companies/linkedin/lookup": lookups.company_at_linkedin,
        "/companies/lookup/enrich": lookups.enriched_company,
        "/companies/lookalikes/search": search.lookalikes,
        "/companies/lookalikes/lookup": lookups.lookalikes,
        "/technologies/lookup": lookups.technologies,
        "/companies/jobs/search": search.jobs,
        "/companies/jobs/lookup": lookups.job,
        "/companies/news/search": search.news,
        "/companies/news/lookup": lookups.news,
        "/companies/advertisements/search": search.advertisements,
        "/companies/advertisements/lookup": lookups.advertisement,
        **searched_lists(),
        **MonitorDesk(people, runner, ledger, parts.wall).handlers(),
        **channels.handlers(),
        "/api_keys/logs": log.list,
        "/api_keys/logs/lookup": log.lookup,
        "/api_keys/usage/daily": usage.daily,
        "/api_keys/usage/breakdown": usage.breakdown,
    }
    return {
        # These read their bodies themselves: they are what is called a million times.
        PEOPLE: Endpoint("POST", redeem.single),
        BATCH: Endpoint("POST", redeem.batch),
        QUERY: Endpoint("POST", redeem.query),
        LOOKUP: Endpoint("POST", redeem.lookup),
        LOOKUP_BATCH: Endpoint("POST", redeem.lookup_batch),
        **{path: Endpoint("GET", _without_body(handler)) for path, handler in read.items()},
        **{path: Endpoint("POST", _with_body(handler)) for path, handler in posted.items()},
    }


def _without_body(handler: Handler) -> Callable[[bytes, float], Answer]:
    return lambda _, now: handler({}, now)


def _with_body(handler: Handler) -> Callable[[bytes, float], Answer]:
    return lambda body, now: handler(_decode(body or b"{}"), now)
