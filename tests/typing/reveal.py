"""What an editor knows of representative calls; read by mypy, never run."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, assert_type

from msgspec import UnsetType

from pubrio_async import AsyncPubrio, Contact, Outcome, PubrioError, Run, RunReport, RunStatistics
from pubrio_async.endpoints._pages import Pages
from pubrio_async.models import (
    AdvertisementRow,
    ChannelTemplateVersion,
    CompanyRow,
    CompanySearchReply,
    MonitorCreated,
    MonitorLog,
    Pagination,
    PeopleSearchReply,
    PersonRow,
    Profile,
    QueryLog,
    RedeemedPerson,
    RedeemJob,
    RedeemPeopleReply,
    RedeemQueryReply,
    Subscription,
)
from pubrio_async.models.redeem import ContactStatus, ContactType, Number


async def redeeming(pubrio: AsyncPubrio) -> None:
    reply = await pubrio.redeem.people(people_search_id="id", people_contact_types=["email-work"])
    assert_type(reply, RedeemPeopleReply)
    assert_type(reply.peoples, tuple[RedeemedPerson, ...] | None)
    for person in reply.peoples or ():
        assert_type(person.people_search_id, str | None)
        for contact in person.emails or ():
            assert_type(contact, Contact)
            assert_type(contact.value, str)
            assert_type(contact.type, ContactType | None)
            assert_type(contact.status, ContactStatus | None)
    if reply.profile is not None:
        assert_type(reply.profile.charged, Number | None)

    job = await pubrio.redeem.batch(peoples=["id"], people_contact_types=("phone",))
    assert_type(job, RedeemJob)
    assert_type(job.redeem_query_id, str)
    state = await pubrio.redeem.query(redeem_query_id=job.redeem_query_id)
    assert_type(state, RedeemQueryReply)
    assert_type(state.is_completed, bool)


async def durations() -> None:
    patient = AsyncPubrio("key", timeout=timedelta(minutes=1), max_wait=timedelta(hours=1))
    month = timedelta(days=30)
    patient.redeem.many([], people_contact_types=["phone"], max_age=month, deadline=month)
    patient.redeem.many([], people_contact_types=["phone"], max_age=30.0, deadline=30, linger=month)
    patient.redeem.resolve("run.db", deadline=month)


async def runs(pubrio: AsyncPubrio) -> None:
    async with pubrio.redeem.many(["id"], people_contact_types=["email-work"]) as run:
        assert_type(run, Run)
        async for outcome in run:
            assert_type(outcome, Outcome)
            assert_type(outcome.row, int)
            assert_type(outcome.person, str)
            assert_type(outcome.people_search_id, str | None)
            assert_type(outcome.emails, list[Contact])
            assert_type(outcome.redeem_query_id, str | None)
            assert_type(outcome.error, str | None)
        assert_type(run.report, RunReport)
        assert_type(run.report.found, int)
        assert_type(run.statistics(), RunStatistics)
        assert_type(run.stopped_by, PubrioError | None)


async def searching(pubrio: AsyncPubrio) -> None:
    page = await pubrio.people.search(people_titles=["CTO"], employees=[1, 10], per_page=1)
    assert_type(page, PeopleSearchReply)
    assert_type(page.peoples, tuple[PersonRow, ...] | None)
    assert_type(page.pagination, Pagination | None)
    if page.pagination is not None:
        assert_type(page.pagination.total_display_pages, int | UnsetType | None)

    pages = pubrio.people.search_iter(people_titles=["CTO"], max_items=3)
    assert_type(pages, Pages[PersonRow])
    async for row in pages:
        assert_type(row, PersonRow)
        assert_type(row.people_search_id, str | None)
    assert_type(pages.pages_fetched, int)

    companies = await pubrio.companies.search(employees=[[1, 10], [10_001]], technologies=[1, "x"])
    assert_type(companies, CompanySearchReply)
    async for company in pubrio.companies.search_iter(locations=["US"]):
        assert_type(company, CompanyRow)
    async for advertisement in pubrio.advertisements.search_iter():
        assert_type(advertisement, AdvertisementRow)
    async for log in pubrio.monitors.logs_iter(monitor_id="id"):
        assert_type(log, MonitorLog)
    async for query_log in pubrio.api_keys.logs_iter():
        assert_type(query_log, QueryLog)


async def managing(pubrio: AsyncPubrio) -> None:
    profile = await pubrio.profile.get()
    assert_type(profile, Profile)
    assert_type(profile.subscription, Subscription)
    monitor = await pubrio.monitors.create(
        name="jobs",
        detection_mode="signal_first",
        signal_types=["jobs"],
        destination_type="webhook",
        destination_config={"webhook_url": "https://example.com/hook"},
    )
    assert_type(monitor, MonitorCreated)
    assert_type(monitor.monitor_id, str)
    templates = await pubrio.channels.template(channel_template_identifier="id")
    assert_type(templates, tuple[ChannelTemplateVersion, ...])


async def shapes_nobody_knows(pubrio: AsyncPubrio) -> None:
    assert_type(await pubrio.user.get(), Any)
    assert_type(await pubrio.filters.locations(), Any)
    assert_type(await pubrio.companies.lookup(domain="example.com"), Any)
    assert_type(await pubrio.jobs.search(titles=["CTO"]), Any)
    async for row in pubrio.jobs.search_iter(titles=["CTO"]):
        assert_type(row, Any)


async def mistakes(pubrio: AsyncPubrio) -> None:
    # Each must be an error: an ignore that is not needed is one, too.
    await pubrio.redeem.people(people_contact_types=["fax"])  # type: ignore[list-item]
    await pubrio.redeem.people(people_search_id="id")  # type: ignore[call-arg]
    await pubrio.redeem.query("id")  # type: ignore[call-arg]
    await pubrio.people.search(people_title=["CTO"])  # type: ignore[call-arg]
    await pubrio.people.search(per_page="25")  # type: ignore[arg-type]
    await pubrio.monitors.list(detection_mode=["sometimes"])  # type: ignore[list-item]
    pubrio.redeem.many([], people_contact_types=["phone"], order="fast")  # type: ignore[arg-type]
    await pubrio.people.search_iter()  # type: ignore[misc]
    for _ in pubrio.people.search_iter():  # type: ignore[attr-defined]
        pass
