"""Assumptions about redeeming: jobs, contacts, charges."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from pubrio_async.doctor.account import number_of
from pubrio_async.doctor.assumptions import Questions, Verdict, either, names, untested
from pubrio_async.doctor.evidence import Evidence, Exchange, objects_in
from pubrio_async.doctor.words import VOCABULARY, is_list, kind_of, word
from pubrio_async.models.redeem import Number

REDEEM: Final = Questions()

_NOT_BOUGHT = "no reply of that kind: --spend N buys one"
_UNITS = VOCABULARY["RedeemJob", "estimated_time_type"]


@REDEEM("submit-place", "the reply of redeem.batch tells the state of the job directly in data")
def _submit_place(evidence: Evidence) -> Verdict:
    found = _of(evidence, "redeem.batch")
    if not found:
        return untested(_NOT_BOUGHT)
    direct = sum(1 for one in found if isinstance(one.member("redeem_query_id"), str))
    return either(direct == len(found), f"{direct} of {len(found)} replies")


@REDEEM("poll-place", "the reply of redeem.query tells it in data.query")
def _poll_place(evidence: Evidence) -> Verdict:
    found = _of(evidence, "redeem.query")
    if not found:
        return untested("no job to ask for")
    nested = sum(1 for one in found if isinstance(one.member("query", "redeem_query_id"), str))
    return either(nested == len(found), f"{nested} of {len(found)} replies")


@REDEEM("job-kept", "a job can be asked for again after its result was fetched")
def _job_kept(evidence: Evidence) -> Verdict:
    old = [
        one for one in evidence if one.name == "redeem.query" and one.purpose == "" and one.status
    ]
    if not old:
        return untested("no batch in the newest entries of the request log")
    return either(old[0].ok, f"a job of the request log: {old[0].status}")


@REDEEM("estimate-unit", "estimated_time_type is a word for a unit this package knows")
def _estimate_unit(evidence: Evidence) -> Verdict:
    words = [
        unit
        for one in (*_of(evidence, "redeem.batch"), *_of(evidence, "redeem.query"))
        for place in ((), ("query",))
        if isinstance(unit := one.member(*place, "estimated_time_type"), str)
    ]
    if not words:
        return untested(_NOT_BOUGHT)
    return either(all(unit.lower() in _UNITS for unit in words), names(map(word, words)))


@REDEEM("estimate", "a job is done when its estimate is over")
def _estimate(evidence: Evidence) -> Verdict:
    job = evidence.good("redeem.batch", "paid")
    polls = [one for one in evidence if one.name == "redeem.query" and one.purpose == "paid"]
    done = next((one for one in polls if one.member("query", "is_completed") is True), None)
    if job is None or done is None:
        return untested(_NOT_BOUGHT)
    told = number_of(job.member("estimated_time"))
    unit = job.member("estimated_time_type")
    took = f"done at poll {polls.index(done) + 1}, {done.ended - job.ended:.1f} s after the submit"
    return either(done is polls[0], f"{took}; the estimate was {told} {word(unit)}")


@REDEEM("early-poll", "the poll of an unfinished job tells its state, and may tell no more")
def _early_poll(evidence: Evidence) -> Verdict:
    early = evidence.first("redeem.query", "early")
    if early is None:
        return untested(_NOT_BOUGHT)
    if not early.ok or early.member("query", "is_completed") is True:
        return either(
            early.ok, f"{early.status}; it was done already" if early.ok else str(early.status)
        )
    beside = [name for name in ("profile", "peoples") if early.member(name) is not None]
    state = early.member("query", "is_completed")
    return either(
        state is False, f"is_completed: {kind_of(state)}; beside it: {names(beside) or 'nothing'}"
    )


@REDEEM(
    "absent-contacts", "a list of contacts not found, or not asked for, is missing, null or empty"
)
def _absent(evidence: Evidence) -> Verdict:
    forms: Counter[str] = Counter()
    for person in _people(evidence):
        for field in ("emails", "phones"):
            contacts = person.get(field)
            if field not in person:
                forms["missing"] += 1
            elif not contacts:
                forms["empty" if is_list(contacts) else kind_of(contacts)] += 1
    if not forms:
        return untested(_NOT_BOUGHT)
    told = ", ".join(f"{form}: {count}" for form, count in sorted(forms.items()))
    return either(forms.keys() <= {"missing", "null", "empty"}, told)


@REDEEM("contact-status", "the status of a contact is Verified or null")
def _status(evidence: Evidence) -> Verdict:
    seen = {
        "null" if contact.get("status") is None else word(contact["status"])
        for contact in _contacts(evidence)
    }
    if not seen:
        return untested(_NOT_BOUGHT)
    return either(seen <= {"null", "Verified"}, names(sorted(seen)))


@REDEEM("contact-types", "contacts are of type email-work, email-personal or phone")
def _types(evidence: Evidence) -> Verdict:
    seen = {word(contact.get("type")) for contact in _contacts(evidence)}
    if not seen:
        return untested(_NOT_BOUGHT)
    return either(seen <= {"email-work", "email-personal", "phone"}, names(sorted(seen)))


@REDEEM("cost-of-one", "redeem.people reports its cost in profile.total_credit_cost")
def _cost_of_one(evidence: Evidence) -> Verdict:
    return _told(_of(evidence, "redeem.people"), "total_credit_cost")


@REDEEM("cost-of-batch", "a finished job reports its cost in profile.total_charged_credit")
def _cost_of_batch(evidence: Evidence) -> Verdict:
    done = [
        one for one in _of(evidence, "redeem.query") if one.member("query", "is_completed") is True
    ]
    return _told(done, "total_charged_credit")


@REDEEM("price-of-record", "each e-mail and phone returned costs the plan's price")
def _price_of_record(evidence: Evidence) -> Verdict:
    single = evidence.good("redeem.people", "paid")
    price = _price(evidence, "email_redeem_credit")
    cost = None if single is None else number_of(single.member("profile", "total_credit_cost"))
    if single is None or price is None or cost is None:
        return untested(_NOT_BOUGHT)
    count = _emails(single)
    if not count:
        return either(cost == 0, f"nothing found, {cost:g} credits")
    return either(cost == count * price, f"{count} e-mails, {cost:g} credits at {price:g} each")


@REDEEM("repeat-charged", "redeeming a person again costs again")
def _repeat(evidence: Evidence) -> Verdict:
    single = evidence.good("redeem.people", "paid")
    again = evidence.good("redeem.people", "again")
    if single is None or again is None:
        return untested(_NOT_BOUGHT)
    if not _emails(single):
        return untested("nothing was found the first time")
    cost = number_of(again.member("profile", "total_credit_cost"))
    if cost is None:
        return untested("the cost was not reported")
    return either(cost > 0, f"{cost:g} credits the second time")


@REDEEM("price-of-search", "a page of people.search costs its price once, not for each row")
def _price_of_search(evidence: Evidence) -> Verdict:
    search = evidence.good("people.search", "paid")
    price = _price(evidence, "people_search_credit")
    cost = evidence.search_cost
    if search is None or price is None or cost is None:
        return untested(_NOT_BOUGHT)
    rows = len(search.rows("peoples"))
    return either(cost == price, f"{cost:g} credits for {rows} rows at {price:g}")


@REDEEM("people-by-id", "the people of a job are named by their people_search_id")
def _by_id(evidence: Evidence) -> Verdict:
    job = evidence.good("redeem.batch", "paid")
    done = [one for one in _of(evidence, "redeem.query") if one.purpose == "paid"]
    if job is None or not done:
        return untested(_NOT_BOUGHT)
    asked = {str(person).lower() for person in job.fields["peoples"]}
    told = [str(row.get("people_search_id")).lower() for row in done[-1].rows("peoples")]
    return either(
        set(told) <= asked,
        f"{len(told)} named of {len(asked)} asked for, all of them asked for"
        if set(told) <= asked
        else "others were named",
    )


@REDEEM("exact-match", "a contact lookup by e-mail costs no more than 1 credit for each match")
def _exact_match(evidence: Evidence) -> Verdict:
    found = _of(evidence, "redeem.contact_lookup")
    if not found:
        return untested(_NOT_BOUGHT)
    if not any(one.rows("peoples") for one in found):
        return untested("nothing was found, and nothing charged")
    costs = [number_of(one.member("profile", "total_credit_cost")) for one in found]
    counts = [len(one.rows("peoples")) for one in found]
    fine = all(
        cost is not None and cost <= count for cost, count in zip(costs, counts, strict=True)
    )
    told = ", ".join(
        f"{count} found, {cost} credits" for count, cost in zip(counts, costs, strict=True)
    )
    return either(fine, told)


@REDEEM("never-tried", "a largest batch, a 402, a wrong key, a repeat of a lost request")
def _never(_: Evidence) -> Verdict:
    return untested("trying them out would cost too much, or could harm the account")


def _of(evidence: Evidence, name: str) -> list[Exchange]:
    return [one for one in evidence if one.name == name and one.ok and one.purpose != "early"]


def _told(found: list[Exchange], field: str) -> Verdict:
    if not found:
        return untested(_NOT_BOUGHT)
    told = sum(1 for one in found if number_of(one.member("profile", field)) is not None)
    return either(told == len(found), f"{told} of {len(found)} replies")


def _people(evidence: Evidence) -> list[dict[str, Any]]:
    return [
        person
        for name in ("redeem.people", "redeem.query")
        for one in _of(evidence, name)
        for person in one.rows("peoples")
    ]


def _contacts(evidence: Evidence) -> list[dict[str, Any]]:
    return [
        contact
        for person in _people(evidence)
        for field in ("emails", "phones")
        for contact in objects_in(person.get(field))
    ]


def _emails(one: Exchange) -> int:
    return sum(len(objects_in(person.get("emails"))) for person in one.rows("peoples"))


def _price(evidence: Evidence, field: str) -> Number | None:
    profile = evidence.good("profile.get")
    return None if profile is None else number_of(profile.member("subscription", field))
