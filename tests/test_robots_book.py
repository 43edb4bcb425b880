"""Copies of robots.txt come and go with their hosts."""

from __future__ import annotations

from crawler.hostqueue import HostQueue
from crawler.politeness import Pace
from crawler.robots_book import ROBOTS_TRIES, UNREACHABLE, RobotsBook
from crawler.robots_policy import RobotsAnswer, RobotsState, after_answer, after_failure
from tests.store_rows import host

ORIGIN = "http://a.example"


def asking(book: RobotsBook) -> HostQueue:
    queue = HostQueue(host(1), Pace(1.0, 1))
    book.ask(ORIGIN, queue)
    return queue


def answer(body: bytes) -> RobotsState:
    return after_answer(None, RobotsAnswer(200, body), "Linkmill", 0.0)


def test_answer_lengthens_the_wait_that_has_begun_by_its_crawl_delay() -> None:
    book = RobotsBook(max_crawl_delay_s=10.0)
    queue = asking(book)
    queue.gate.hold(101.0)
    assert book.answered(ORIGIN, answer(b"User-agent: *\nCrawl-delay: 60\n")) is queue
    assert (queue.gate.delay_s, queue.gate.next_at, queue.asking) == (10.0, 110.0, 0)


def test_copies_leave_with_their_host_and_come_back_with_it() -> None:
    book = RobotsBook(10.0)
    queue = asking(book)
    book.answered(ORIGIN, answer(b"User-agent: *\nDisallow: /x\n"))
    book.drop(queue)
    assert book.copies == {}
    back = HostQueue(host(1), Pace(1.0, 1))
    back.unread_robots.append((ORIGIN, lambda: answer(b"User-agent: *\nCrawl-delay: 4\n")))
    book.read(back)
    assert (list(book.copies), back.unread_robots, back.gate.delay_s) == ([ORIGIN], [], 4.0)


def test_origin_is_given_up_after_its_tries() -> None:
    book, state = RobotsBook(10.0), None
    for failures in range(1, ROBOTS_TRIES + 1):
        queue = asking(book)
        state = after_failure(state, "timeout", 0.0)
        book.answered(ORIGIN, state)
        assert (ORIGIN in book.given_up) is (failures == ROBOTS_TRIES)
        book.copies.clear()
    assert queue.record.parked == UNREACHABLE


def test_file_that_could_not_be_had_is_known_to_fail() -> None:
    book = RobotsBook(10.0)
    queue = asking(book)
    book.answered(ORIGIN, after_failure(None, "timeout", 0.0))
    assert book.is_failing(queue)
    book.ask(ORIGIN, queue)
    book.answered(ORIGIN, answer(b""))
    assert not book.is_failing(queue)
