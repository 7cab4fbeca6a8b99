"""Assumptions about requests, envelopes, headers and refusals."""

from __future__ import annotations

from typing import Final

from msgspec import UNSET

from pubrio_async._capture import is_rate_limit_header
from pubrio_async._config import DEFAULT_BASE_URL
from pubrio_async._routes import ROUTES
from pubrio_async.doctor.assumptions import Questions, Verdict, either, names, no, untested, yes
from pubrio_async.doctor.evidence import Evidence, Exchange
from pubrio_async.doctor.words import error_shape, is_object, kind_of

WIRE: Final = Questions()

# Who is turned away at the door is not told what is behind it.
_TURNED_AWAY: Final = frozenset({401, 403})


@WIRE("key-header", "the key travels in the header pubrio-api-key")
def _key_header(evidence: Evidence) -> Verdict:
    first = evidence.first("profile.get")
    if first is None or first.status is None:
        return untested("no reply")
    return either(first.status != 401, f"status {first.status}")


@WIRE("base-url", "the API is at https://api.pubrio.com, without a version in the path")
def _base_url(evidence: Evidence) -> Verdict:
    if evidence.base_url != DEFAULT_BASE_URL:
        return untested("another base URL is set")
    asked = evidence.asked()
    worked = [one for one in asked if one.ok]
    if not worked and any(one.status in _TURNED_AWAY for one in asked):
        return untested("the key was refused")
    return either(bool(worked), f"{len(worked)} calls worked")


@WIRE("empty-post", "a POST without arguments takes {}")
def _empty_post(evidence: Evidence) -> Verdict:
    calls = [
        one
        for one in evidence.asked()
        if not one.fields and one.status is not None and ROUTES[one.name].method == "POST"
    ]
    if not calls:
        return untested("none was made")
    refused = [one.name for one in calls if one.status in {400, 411, 415, 422}]
    if refused:
        return no(f"refused: {names(refused)}")
    took = sum(one.ok for one in calls)
    return yes(f"{took} calls took it") if took else untested("none worked")


@WIRE("verbs", "reads are POSTs, but for eleven GETs without arguments")
def _verbs(evidence: Evidence) -> Verdict:
    calls = [
        one
        for one in evidence.asked()
        if not one.purpose and one.status is not None and one.status not in _TURNED_AWAY
    ]
    if not calls:
        return untested("no reply, or the key was refused")
    wrong = [f"{one.name} ({one.status})" for one in calls if one.status in {404, 405, 501}]
    return no(f"not there: {names(wrong)}") if wrong else yes(f"{len(calls)} endpoints are there")


@WIRE("profile-id", "profile_id is never needed: the key names the workspace")
def _profile_id(evidence: Evidence) -> Verdict:
    worked = [one for one in evidence.asked() if one.ok]
    return yes(f"{len(worked)} calls worked without it") if worked else untested("none worked")


@WIRE("envelope", "a reply is an object whose member data holds the result")
def _envelope(evidence: Evidence) -> Verdict:
    replies = [one for one in evidence if one.ok and one.body is not UNSET]
    if not replies:
        return untested("no reply")
    without = [one.name for one in replies if not _has_data(one)]
    return no(f"without it: {names(without)}") if without else yes(f"{len(replies)} replies")


@WIRE("metadata", "replies of api_keys.* echo the request in metadata")
def _metadata(evidence: Evidence) -> Verdict:
    replies = [one for one in evidence if one.ok and one.name.startswith("api_keys.")]
    if not replies:
        return untested("no reply")
    without = [one.name for one in replies if not (is_object(one.body) and "metadata" in one.body)]
    return no(f"without it: {names(without)}") if without else yes(f"{len(replies)} replies")


@WIRE("null-data", "data may be null where there is nothing to tell")
def _null_data(evidence: Evidence) -> Verdict:
    nulls = [one.name for one in evidence if one.ok and _has_data(one) and one.data is None]
    return yes(names(nulls)) if nulls else untested("no reply had a null there")


@WIRE("json", "a reply is JSON and says so")
def _json(evidence: Evidence) -> Verdict:
    replies = [one for one in evidence.asked() if one.ok and one.raw]
    if not replies:
        return untested("no reply")
    other = [
        one.name
        for one in replies
        if not (one.headers.get("Content-Type") or "").lower().startswith("application/json")
    ]
    return no(f"something else: {names(other)}") if other else yes(f"{len(replies)} replies")


@WIRE("date-header", "a reply tells the API's time in its header Date")
def _date(evidence: Evidence) -> Verdict:
    replies = [one for one in evidence.asked() if one.status is not None]
    if not replies:
        return untested("no reply")
    dated = sum(1 for one in replies if one.headers.get("Date"))
    return either(dated == len(replies), f"{dated} of {len(replies)} replies")


@WIRE("rate-headers", "no reply has a rate-limit header")
def _rate_headers(evidence: Evidence) -> Verdict:
    replies = [one for one in evidence.asked() if one.status is not None]
    if not replies:
        return untested("no reply")
    seen = [
        name.lower()
        for one in replies
        for name in one.headers
        if is_rate_limit_header(name) and name.lower() != "retry-after"
    ]
    return no(f"there are {names(sorted(set(seen)))}") if seen else yes("none was sent")


@WIRE("window-phase", "no success tells when the window of the rate limit turns")
def _window_phase(evidence: Evidence) -> Verdict:
    replies = [one for one in evidence.asked() if one.ok]
    if not replies:
        return untested("no reply")
    told = [one for one in replies if one.told is not None and one.told.reset is not None]
    return no(f"{len(told)} of {len(replies)} replies tell") if told else yes("none does")


@WIRE("retry-after", "a 429 has no Retry-After")
def _retry_after(evidence: Evidence) -> Verdict:
    refused = [one for one in evidence.asked() if one.status == 429]
    if not refused:
        return untested("no call ended with a 429")
    told = [one for one in refused if one.headers.get("Retry-After")]
    return no(f"{len(told)} of {len(refused)} have") if told else yes("none has")


@WIRE("unknown-id", "an id that is not known is refused with 400 or 404 (redeem.query)")
def _unknown_id(evidence: Evidence) -> Verdict:
    one = evidence.first("redeem.query", "unknown id")
    if one is None or one.status is None:
        return untested("not asked, or no reply")
    return either(one.status in {400, 404}, _answer(one))


@WIRE("error-400", "the body of a 400 is {code: int, message: string, details: object}")
def _error_400(evidence: Evidence) -> Verdict:
    return _refusal(evidence, {400, 422}, {"code": "int", "message": "string", "details": "object"})


@WIRE("error-short", "the body of a 429 or 5xx is {error: string}")
def _error_short(evidence: Evidence) -> Verdict:
    return _refusal(evidence, {429, *range(500, 600)}, {"error": "string"})


@WIRE("error-other", "what else is refused has message or error in its body (401 to 404)")
def _error_other(evidence: Evidence) -> Verdict:
    refused = [one for one in evidence if one.status in {401, 402, 403, 404}]
    if not refused:
        return untested("nothing was refused like that")
    other = [
        one
        for one in refused
        if not is_object(one.body) or not {"message", "error"} & one.body.keys()
    ]
    return either(not other, names(_answer(one) for one in other or refused))


def _refusal(evidence: Evidence, statuses: set[int], shape: dict[str, str]) -> Verdict:
    refused = [one for one in evidence if one.status in statuses]
    if not refused:
        return untested("no call ended like that")
    other = [one for one in refused if not _has_shape(one, shape)]
    return either(not other, names(_answer(one) for one in other or refused))


def _has_shape(one: Exchange, shape: dict[str, str]) -> bool:
    if not is_object(one.body):
        return False
    return all(kind_of(one.body.get(name)) == kind for name, kind in shape.items())


def _has_data(one: Exchange) -> bool:
    return is_object(one.body) and "data" in one.body


def _answer(one: Exchange) -> str:
    """Status and shape of a reply."""
    body = error_shape(one.body) if is_object(one.body) else "no JSON object"
    code = "" if one.code is None else f", code {one.code}"
    return f"{one.status}{code} {body}"
