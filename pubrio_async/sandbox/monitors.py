"""The endpoints about monitors: their settings, their runs, and the logs of these."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

import msgspec
from msgspec import Struct, field

from pubrio_async.sandbox import monitor_bodies as bodies
from pubrio_async.sandbox.account import USER
from pubrio_async.sandbox.ledger import Ledger
from pubrio_async.sandbox.monitor_bodies import DEFAULTS, refuse_bad_destination
from pubrio_async.sandbox.monitor_runs import Findings, Runner, reaches
from pubrio_async.sandbox.paging import iso_time, page_of, pagination
from pubrio_async.sandbox.people import People, encode, format_id
from pubrio_async.sandbox.wire import Answer, Fields, Handler, bad_request

_MAX_LOGS = 200
_MAX_CHART_DAYS = 366
_PAYLOADS = ("request_payload", "response_payload")
_SHORT = ("name", "description", "detection_mode", "destination_type", "is_active", "is_paused")


class Monitor(Struct):
    """A monitor. Times are those of the world's wall."""

    monitor_id: str
    signature: str
    settings: Fields
    created_at: float
    last_modified: float
    last_trigger_at: float | None = None
    last_processed_at: float | None = None
    failures: int = 0
    logs: deque[Fields] = field(default_factory=deque[Fields])

    @property
    def masked(self) -> str:
        """What is shown of the signature."""
        return f"{self.signature[0]}{'•' * 16}{self.signature[-3:]}"

    def short(self) -> Fields:
        """The reply to a creation."""
        return {
            "monitor_id": self.monitor_id,
            **{name: self.settings[name] for name in _SHORT},
            "masked_signature": self.masked,
            "created_at": iso_time(self.created_at),
            "signature": self.signature,
        }

    def row(self) -> Fields:
        """A row of the list."""
        return {
            "monitor_id": self.monitor_id,
            **self.settings,
            "repeated_failure_count": self.failures,
            "last_trigger_at": _time(self.last_trigger_at),
            "last_processed_at": _time(self.last_processed_at),
            "masked_signature": self.masked,
            "created_at": iso_time(self.created_at),
            "last_modified": iso_time(self.last_modified),
        }


class MonitorDesk:
    """Answers the `monitors` endpoints. A monitor runs when it is tried, never by itself."""

    def __init__(
        self, people: People, runner: Runner, ledger: Ledger, wall: Callable[[float], float]
    ) -> None:
        self._people = people
        self._runner = runner
        self._ledger = ledger
        self._wall = wall
        self._monitors: dict[str, Monitor] = {}
        self._logs: dict[str, Fields] = {}
        self._made = 0

    def handlers(self) -> dict[str, Handler]:
        """What answers which path."""
        return {
            "/monitors": self._list,
            "/monitors/create": self._create,
            "/monitors/update": self._update,
            "/monitors/lookup": self._get,
            "/monitors/delete": self._delete,
            "/monitors/duplicate": self._duplicate,
            "/monitors/process/try": self._try,
            "/monitors/process/retry": self._retry,
            "/monitors/webhook/validate": self._validate,
            "/monitors/statistics": self._statistics,
            "/monitors/statistics/chart": self._chart,
            "/monitors/statistics/logs": self._log_list,
            "/monitors/statistics/logs/lookup": self._log,
            "/monitors/signature/reveal": self._reveal,
        }

    # --------------------------------------------------------------------------------- settings

    def _create(self, fields: Fields, now: float) -> Answer:
        msgspec.convert(fields, bodies.Needed)
        settings = {**DEFAULTS, **msgspec.convert(fields, bodies.MonitorSettings).sent()}
        return _told(self._add(settings, now).short())

    def _update(self, fields: Fields, now: float) -> Answer:
        monitor = self._monitor(msgspec.convert(fields, bodies.MonitorBody).monitor_id)
        changes = msgspec.convert(fields, bodies.MonitorSettings).sent()
        monitor.settings = self._checked({**monitor.settings, **changes})
        monitor.last_modified = self._wall(now)
        if changes.get("is_paused") is False:
            monitor.failures = 0
        return _told(monitor.row())

    def _duplicate(self, fields: Fields, now: float) -> Answer:
        body = msgspec.convert(fields, bodies.DuplicateBody)
        settings = dict(self._monitor(body.monitor_id).settings)
        if body.name is not None:
            settings["name"] = body.name
        return _told(self._add(settings, now).short())

    def _delete(self, fields: Fields, _: float) -> Answer:
        monitor = self._monitor(msgspec.convert(fields, bodies.MonitorBody).monitor_id)
        del self._monitors[monitor.monitor_id]
        for log in monitor.logs:
            del self._logs[log["monitor_log_id"]]
        return _told({"monitor_id": monitor.monitor_id, "is_deleted": True})

    def _get(self, fields: Fields, _: float) -> Answer:
        body = msgspec.convert(fields, bodies.GetBody)
        monitor = self._monitor(body.monitor_id)
        revealed = {"signature": monitor.signature} if body.is_signature_reveal else {}
        return _told(
            {
                **monitor.row(),
                **revealed,
                "profile_id": 1,
                "user_id": USER["user_id"],
                "user": USER,
                "last_processed": None,
            }
        )

    def _reveal(self, fields: Fields, _: float) -> Answer:
        monitor = self._monitor(msgspec.convert(fields, bodies.MonitorBody).monitor_id)
        return _told({"monitor_id": monitor.monitor_id, "signature": monitor.signature})

    def _list(self, fields: Fields, _: float) -> Answer:
        wanted = msgspec.convert(fields, bodies.ListBody)
        term = (wanted.search_term or "").lower()
        kinds, modes = wanted.destination_type, wanted.detection_mode

        def accepts(settings: Fields) -> bool:
            return (
                (not kinds or settings["destination_type"] in kinds)
                and (not modes or settings["detection_mode"] in modes)
                and wanted.is_active in {None, settings["is_active"]}
                and wanted.is_paused in {None, settings["is_paused"]}
                and term in f"{settings['name']} {settings['description'] or ''}".lower()
            )

        found = [each for each in self._monitors.values() if accepts(each.settings)]
        orders: dict[str, Callable[[Monitor], Any]] = {
            "last_modified": lambda each: each.last_modified,
            "created_at": lambda each: each.created_at,
            "name": lambda each: each.settings["name"],
        }
        found.sort(key=orders[wanted.order_by], reverse=not wanted.is_ascending_order)
        rows = [each.row() for each in page_of(found, wanted)]
        return _told({"pagination": pagination(len(found), wanted), "monitors": rows})

    def _validate(self, fields: Fields, _: float) -> Answer:
        body = msgspec.convert(fields, bodies.ValidateBody)
        msgspec.convert(fields, bodies.MonitorSettings).sent()
        kind, config = body.destination_type, body.destination_config
        refuse_bad_destination(kind, config)
        if body.monitor_id is not None:
            self._monitor(body.monitor_id)
        is_reached = reaches(kind, config)
        return _told(
            {
                "destination_type": kind,
                "destination_config": config,
                "is_success": is_reached,
                "response_status_code": 200 if is_reached else 502,
            }
        )

    # ------------------------------------------------------------------------------------- runs

    def _try(self, fields: Fields, now: float) -> Answer:
        body = msgspec.convert(fields, bodies.TryBody)
        monitor = self._monitor(body.monitor_id)
        found = self._runner.run(monitor.settings)
        is_reached = _delivers(monitor.settings)
        cost = 0
        if is_reached:
            cost = self._ledger.spend(self._runner.credits(found)["total_credit"])
        at = self._wall(now)
        triggered_at = body.tried_at or iso_time(at)
        log = self._log_of(monitor, found, at, triggered_at)
        monitor.last_trigger_at = monitor.last_processed_at = at
        self._keep(monitor, log)
        return Answer(encode({"data": log}), cost)

    def _retry(self, fields: Fields, now: float) -> Answer:
        body = msgspec.convert(fields, bodies.RetryBody)
        monitor = self._monitor(body.monitor_id)
        parent = self._logs.get(body.monitor_log_id.lower())
        if parent is None or parent["monitor_id"] != monitor.monitor_id:
            raise bad_request("There is no such log of this monitor.")
        settings = monitor.settings
        if body.is_use_original_destination:
            settings = {**settings, **parent["response_payload"]["destination"]}
        at = self._wall(now)
        # The delivery is repeated, not the search: what was found is free now.
        log: Fields = {
            **parent,
            "monitor_log_id": self._new_id("log"),
            "parent_monitor_log_id": parent["monitor_log_id"],
            "destination_type": settings["destination_type"],
            **self._runner.credits(Findings({}, 0)),
            **_outcome(settings),
            "retry_attempt": len(parent["retry_logs"]) + 1,
            "created_at": iso_time(at),
            "retry_logs": [],
            "is_retry_succeed": False,
        }
        parent["retry_logs"].append(_visible(log))
        parent["is_retry_succeed"] = log["status"] == "success"
        self._keep(monitor, log)
        return _told(log)

    def _log_of(self, monitor: Monitor, found: Findings, at: float, triggered_at: str) -> Fields:
        settings = monitor.settings
        named = ("name", "detection_mode", "signal_types")
        flags = ("is_company_enrichment", "is_people_enrichment")
        payload = {
            "monitor": {
                "monitor_id": monitor.monitor_id,
                **{name: settings[name] for name in (*named, *flags)},
            },
            "triggered_at": triggered_at,
            **found.payload,
            **settings["destination_config"].get("body", {}),
        }
        charged = found if _delivers(settings) else Findings({}, 0)
        return {
            "monitor_log_id": self._new_id("log"),
            "monitor_id": monitor.monitor_id,
            "parent_monitor_log_id": "",
            "detection_mode": settings["detection_mode"],
            "signal_type": settings["signal_types"],
            "destination_type": settings["destination_type"],
            "total_signals": found.signals,
            "total_companies": found.companies,
            "total_people": found.people,
            **self._runner.credits(charged),
            "retry_attempt": 0,
            "processing_time_ms": 1000 + 50 * (found.signals + found.companies + found.people),
            "created_at": iso_time(at),
            "retry_logs": [],
            "is_retry_succeed": False,
            "request_payload": payload,
            **_outcome(settings),
        }

    def _keep(self, monitor: Monitor, log: Fields) -> None:
        settings = monitor.settings
        if log["status"] == "success":
            monitor.failures = 0
        else:
            monitor.failures += 1
            if monitor.failures >= settings["max_failure_trigger"]:
                settings["is_paused"] = True
        monitor.logs.append(log)
        self._logs[log["monitor_log_id"]] = log
        if len(monitor.logs) > _MAX_LOGS:
            del self._logs[monitor.logs.popleft()["monitor_log_id"]]

    # ------------------------------------------------------------------------------ logs, sums

    def _log_list(self, fields: Fields, _: float) -> Answer:
        wanted = msgspec.convert(fields, bodies.LogsBody)
        logs = list(reversed(self._monitor(wanted.monitor_id).logs))
        rows = [_visible(log) for log in page_of(logs, wanted)]
        return _told({"pagination": pagination(len(logs), wanted), "monitor_logs": rows})

    def _log(self, fields: Fields, _: float) -> Answer:
        log = self._logs.get(msgspec.convert(fields, bodies.LogBody).monitor_log_id.lower())
        if log is None:
            raise bad_request("There is no such log.")
        return _told(log)

    def _statistics(self, _: Fields, __: float) -> Answer:
        settings = [each.settings for each in self._monitors.values()]
        return _told(
            {
                "total_monitors": len(settings),
                "active_monitors": sum(
                    each["is_active"] and not each["is_paused"] for each in settings
                ),
                "paused_monitors": sum(each["is_paused"] for each in settings),
                **_sums(self._logs.values()),
            }
        )

    def _chart(self, fields: Fields, _: float) -> Answer:
        wanted = msgspec.convert(fields, bodies.ChartBody)
        monitor = self._monitor(wanted.monitor_id)
        days = (wanted.end_date - wanted.start_date).days + 1
        if not 1 <= days <= _MAX_CHART_DAYS:
            raise bad_request("end_date must follow start_date within a year.")
        dates = [(wanted.start_date + timedelta(days=day)).isoformat() for day in range(days)]
        of_day = {
            date: _sums(log for log in monitor.logs if log["created_at"].startswith(date))
            for date in dates
        }
        chart = [{"date": date, **sums} for date, sums in of_day.items()]
        return _told({"monitor_id": monitor.monitor_id, "chart": chart})

    # ------------------------------------------------------------------------------------------

    def _monitor(self, monitor_id: str) -> Monitor:
        monitor = self._monitors.get(monitor_id.lower())
        if monitor is None:
            raise bad_request("There is no such monitor.")
        return monitor

    def _add(self, settings: Fields, now: float) -> Monitor:
        at = self._wall(now)
        monitor = Monitor(
            monitor_id=self._new_id("monitor"),
            signature=self._new_id("signature"),
            settings=self._checked(settings),
            created_at=at,
            last_modified=at,
        )
        self._monitors[monitor.monitor_id] = monitor
        return monitor

    def _checked(self, settings: Fields) -> Fields:
        refuse_bad_destination(settings["destination_type"], settings["destination_config"])
        ids = self._runner.company_ids(settings)
        kept = {
            name: value
            for name, value in settings.items()
            if name not in {"domains", "linkedin_urls"}
        }
        return {**kept, "companies": ids}

    def _new_id(self, kind: str) -> str:
        self._made += 1
        return format_id(self._people.make_id("monitors", kind, self._made))


def _told(data: Fields) -> Answer:
    return Answer(encode({"data": data}))


def _time(wall: float | None) -> str | None:
    return None if wall is None else iso_time(wall)


def _delivers(settings: Fields) -> bool:
    return reaches(settings["destination_type"], settings["destination_config"])


def _outcome(settings: Fields) -> Fields:
    is_reached = _delivers(settings)
    destination = {name: settings[name] for name in ("destination_type", "destination_config")}
    return {
        "response_status_code": 200 if is_reached else 502,
        "status": "success" if is_reached else "failed",
        "error_message": "" if is_reached else "The destination could not be reached.",
        "response_payload": {"destination": destination},
    }


def _visible(log: Fields) -> Fields:
    """A log as a row of a list, without the payloads."""
    return {name: value for name, value in log.items() if name not in _PAYLOADS}


def _sums(logs: Iterable[Fields]) -> Fields:
    found = list(logs)
    good = sum(log["status"] == "success" for log in found)
    return {
        "total_triggers": len(found),
        "total_success": good,
        "total_failed": len(found) - good,
        "total_credit": sum(log["total_credit"] for log in found),
    }
