"""The parts of the scheduler that are functions of numbers and words."""

from __future__ import annotations

import itertools
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pubrio_async.models import Contact, RedeemedPerson
from pubrio_async.scheduler.budget import CreditBudget, NoBudget, Prices
from pubrio_async.scheduler.due import DueQueue
from pubrio_async.scheduler.halving import Halving
from pubrio_async.scheduler.journal import Batch
from pubrio_async.scheduler.outage import Outage
from pubrio_async.scheduler.persons import NotAPersonError, is_url, person_key
from pubrio_async.scheduler.settling import settled_people
from tests.together import together

ID = "e37ccf38-ea8f-422e-9874-cb23b15e8fe4"


@together
@pytest.mark.parametrize(
    ("given_as", "key"),
    [
        (ID, ID),
        (f"  {ID.upper()}\n", ID),
        ("http://www.linkedin.com/in/king-lai-605382b7", "in/king-lai-605382b7"),
        ("HTTPS://Linkedin.com/in/King-Lai-605382b7/", "in/king-lai-605382b7"),
        ("uk.linkedin.com/in/king-lai-605382b7/en?trk=x#top", "in/king-lai-605382b7"),
        ("linkedin.com/in/j%C3%BCrgen", "in/j%C3%BCrgen"),
        ("https://www.linkedin.com/in/jürgen", "in/j%C3%BCrgen"),
        ("https://www.linkedin.com/in/king-lai%20/", "in/king-lai"),
        ("linkedin.com/in/ king-lai /en", "in/king-lai"),
        ("https://www.linkedin.com/pub/king-lai/1/2b/3c/", "pub/king-lai/1/2b/3c"),
        ("https://www.linkedin.com/pub/king-lai%09/1/2b/3c%20/ ", "pub/king-lai/1/2b/3c"),
    ],
)
def test_one_person_has_one_key(given_as: str, key: str) -> None:
    expected = key if key == ID else f"https://www.linkedin.com/{key}"
    assert person_key(given_as) == expected
    assert is_url(expected) == (key != ID)
    assert person_key(expected) == expected


@together
@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "12345",
        ID[:-1],
        ID + "0",
        ID.replace("-", ""),
        "{" + ID + "}",
        ID.replace("e", "g"),
        "https://www.linkedin.com/in/%20/",
        "https://example.com/in/king",
        "https://evil.com/linkedin.com/in/king",
        "https://notlinkedin.com/in/king",
        "https://linkedin.com.evil.com/in/king",
        "https://www.linkedin.com/company/pubrio",
        "https://www.linkedin.com/in/",
        "https://www.linkedin.com/",
        "ftp://www.linkedin.com/in/king",
        "king@linkedin.com",
        "https://[linkedin.com/in/king",
        "https://linkedin.com:port/in/",
        "https://www.linkedin.com/in/king\ud800",
    ],
)
def test_what_names_nobody_says_why(text: str) -> None:
    with pytest.raises(NotAPersonError, match=r"malformed|empty"):
        person_key(text)


ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=60)
AFTER = ("linkedin.com/in/", "https://uk.linkedin.com/pub/", "HTTP://www.LinkedIn.com/in/ada")


@given(ANY_TEXT | st.uuids().map(str) | st.tuples(st.sampled_from(AFTER), ANY_TEXT).map("".join))
@example("linkedin.com/in/\udcff")
def test_any_text_is_a_person_or_a_reason(text: str) -> None:
    try:
        key = person_key(text)
    except NotAPersonError:
        return
    assert person_key(key) == key
    assert key.isascii()


@given(
    st.sampled_from(("in", "pub")),
    st.text(
        st.one_of(st.sampled_from("/ \u0301\u030c%"), st.characters(codec="utf-8")), max_size=6
    ),
)
def test_a_key_is_its_own_key(kind: str, name: str) -> None:
    try:
        key = person_key(f"https://www.linkedin.com/{kind}/{quote(name)}")
    except NotAPersonError:
        return
    assert person_key(key) == key


@given(st.lists(st.floats(0, 1_000), max_size=60))
def test_due_items_come_in_order_and_never_early(dues: list[float]) -> None:
    queue: DueQueue[tuple[float, int]] = DueQueue()
    for number, due in enumerate(dues):
        queue.push(due, (due, number))
    assert len(queue) == len(list(queue)) == len(dues)
    popped = []
    while (at := queue.next_due()) is not None:
        first = queue.first()
        item = queue.pop()
        assert item is first
        assert item[0] <= at + 1e-9
        popped.append((at, item[1]))
    assert [at for at, _ in popped] == sorted(at for at, _ in popped)
    for (at, number), (later, other) in itertools.pairwise(popped):
        assert at < later or number < other
    assert queue.first() is None
    assert not queue


def test_clearing_the_due_items_returns_all_of_them() -> None:
    queue: DueQueue[int] = DueQueue()
    for number in range(10):
        queue.push(number % 3, number)
    assert sorted(queue.clear()) == list(range(10))
    assert len(queue) == 0
    assert queue.next_due() is None


def test_prices_count_one_record_of_every_type() -> None:
    assert Prices().worst_case(("email-work",)) == 5
    assert Prices().worst_case(("email-work", "email-personal", "phone")) == 20
    assert Prices(15, 30).worst_case(("phone",)) == 30


def test_no_budget_takes_everything() -> None:
    budget = NoBudget()
    budget.reserve(10)
    budget.release(5)
    budget.settle(5, 25)
    assert budget.room() is None
    assert budget.reserved == 0


def test_a_charge_above_the_price_raises_the_price() -> None:
    budget = CreditBudget(100, 5)
    budget.reserve(10)
    assert (budget.reserved, budget.room()) == (50, 10)
    budget.settle(10, 80)
    assert (budget.reserved, budget.room()) == (0, 2)


@given(st.lists(st.tuples(st.integers(1, 20), st.floats(0, 1)), max_size=50), st.integers(0, 500))
def test_a_budget_is_never_overrun(steps: list[tuple[int, float]], bound: int) -> None:
    budget = CreditBudget(bound, 5)
    charged = 0.0
    for wanted, share in steps:
        people = min(wanted, budget.room() or 0)
        if not people:
            continue
        budget.reserve(people)
        assert charged + budget.reserved <= bound
        cost = int(5 * people * share)
        budget.settle(people, cost)
        charged += cost
        assert charged <= bound


def test_an_outage_waits_longer_and_longer_and_not_for_ever() -> None:
    outage = Outage(120.0)
    now, waits = 0.0, []
    while not outage.failed(now):
        assert not outage.failed(now)
        waits.append(outage.until - now)
        now = outage.until
    assert waits == [1, 2, 4, 8, 16, 30, 30, 30]
    outage.answered()
    assert not outage.failed(now)
    assert outage.until == now + 1


def test_halves_tell_the_size_that_is_accepted() -> None:
    halving = Halving()
    first, second = halving.halve(Batch("b", "batch", tuple("abcde")))
    assert (first.keys, second.keys) == (tuple("abc"), tuple("de"))
    assert halving.accepted(first) is None
    assert halving.is_open
    assert halving.accepted(second) == 3
    assert not halving.is_open
    assert halving.accepted(second) is None


def test_nothing_is_kept_of_halves_that_have_ended() -> None:
    halving = Halving()
    for number in range(100):
        first, second = halving.halve(Batch(f"b{number}", "batch", tuple("abcd")))
        assert halving.accepted(first) is None
        guilty, innocent = halving.halve(second)
        halving.ended(guilty)
        assert halving.accepted(innocent) is None
    assert not halving.is_open
    assert not any(vars(halving).values()), "a run with many people the API refuses grows"


def test_people_are_matched_by_id_whatever_the_order() -> None:
    mail, phone = Contact("a@example.com"), Contact("+15550100")
    other = ID.replace("e37", "f37")
    batch = Batch("b", "batch", (ID, other, ID.replace("e37", "a37")))
    ends = settled_people(
        batch,
        [
            RedeemedPerson(people_search_id=other.upper(), phones=(phone,)),
            RedeemedPerson(people_search_id=ID, emails=()),
            RedeemedPerson(people_search_id=ID, emails=(mail,)),
            RedeemedPerson(people_search_id="unasked", emails=(mail,)),
            RedeemedPerson(people_search_id="unasked", emails=()),
            RedeemedPerson(people_search_id="unasked and empty", emails=()),
            RedeemedPerson(emails=(mail,)),
        ],
        "job",
    )
    assert ends[ID].status == "found"
    assert ends[ID].emails == (mail,)
    assert ends[other].phones == (phone,)
    assert ends[batch.keys[2]].status == "empty"
    assert (ends["unasked"].status, ends["unasked"].emails) == ("found", (mail,))
    assert "unasked and empty" not in ends
    assert all(end.redeem_query_id == "job" for end in ends.values())


def test_a_single_reply_belongs_to_the_one_person_asked_for() -> None:
    url = "https://www.linkedin.com/in/someone"
    single = Batch("b", "single", (url,))
    mail = Contact("a@example.com")
    end = settled_people(single, [RedeemedPerson(people_search_id=ID, emails=(mail,))], None)[url]
    assert (end.status, end.people_search_id) == ("found", ID)
    assert settled_people(single, [], None)[url].status == "empty"
    assert settled_people(single, [], None)[url].people_search_id is None


def test_all_that_was_bought_of_a_person_alone_is_kept() -> None:
    mail, phone, other = Contact("a@example.com"), Contact("+1 555"), Contact("b@example.com")
    url, somebody = "https://www.linkedin.com/in/ada", ID.replace("e", "f")
    peoples = (
        RedeemedPerson(somebody, (other,)),
        RedeemedPerson(ID.upper(), (mail,)),
        RedeemedPerson(None, (), (phone,)),
        RedeemedPerson(ID, ()),
    )
    ends = settled_people(Batch("b", "single", (ID,)), peoples, None)
    assert (ends[ID].status, ends[ID].emails, ends[ID].phones) == ("found", (mail,), (phone,))
    assert ends[somebody].emails == (other,)
    # Of a page no id is known: it is that of the first one.
    ends = settled_people(Batch("b", "single", (url,)), peoples[1:], None)
    assert [*ends] == [url]
    assert ends[url].people_search_id == ID.upper()
    assert (ends[url].emails, ends[url].phones) == ((mail,), (phone,))
    assert settled_people(Batch("b", "single", (url,)), (), None)[url].people_search_id is None
