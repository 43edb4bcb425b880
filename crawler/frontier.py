"""What to do next: a heap of hosts by the time they may be asked again.

The flow of one page: `take` serves the first host whose time has come and returns a job. That is the page's `Request`
when everything is known; before it, what is missing first: `Resolve` its name, fetch its robots.txt (`RobotsFetch`); or
`Denied` when the page may not be fetched at all. The caller does the job and tells the frontier: `resolved`,
`robots_answered`, `release`. Rule: no I/O, no clock, no waiting here; what must be read from disk is a wish.
Times are monotonic seconds; `utc_offset` turns them into UTC where rows are stored.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container
from heapq import heappop, heappush
from itertools import count
from typing import Final

from crawler.addresses import Endpoint
from crawler.addressgate import AddressGate, AddressGates
from crawler.aftermath import Aftermath
from crawler.front import Arrival, Front
from crawler.hostqueue import HostQueue, Standing, row_again
from crawler.jobs import Denied, Discovery, Job, Resolve, RobotsFetch, RobotsRefused
from crawler.outcome import Failed, Outcome, Request
from crawler.politeness import Manners, PaceTable, asked_pause_s
from crawler.refill import Refills
from crawler.robots_book import UNREACHABLE, RobotsBook
from crawler.robots_policy import RobotsState
from crawler.roster import Known, Place
from crawler.url import origin_of, path_of
from storage.records import Failure, QueueRow

_WAITING: Final = (Standing.DUE, Standing.HELD)


class Frontier:
    """Every host with something queued, and the order in which they are served."""

    def __init__(self, paces: PaceTable, manners: Manners, utc_offset: float, first_seq: int = 0) -> None:
        self._manners = manners
        self.utc_offset = utc_offset
        self._seqs = count(first_seq)
        self._order = count()
        self._heap: list[tuple[float, int, HostQueue | AddressGate | int]] = []
        self.front = Front(paces)
        self.hosts = self.front.hosts
        self._addresses = AddressGates(manners.delay_per_ip_s, manners.connections_per_ip)
        self._book = RobotsBook(manners.max_crawl_delay_s)
        self.robots = self._book.copies
        self._sent: dict[int, tuple[AddressGate, Endpoint]] = {}
        self.refills = Refills()
        self._aftermath = Aftermath()
        self.queued = 0
        self.open = 0

    def share(self, addresses: AddressGates, first_host_id: int, host_id_step: int) -> None:
        """Be one of several frontiers: with the addresses of all, and numbers of hosts that no other gives away."""
        self._addresses = addresses
        self.front.roster.number(first_host_id, host_id_step)

    # Hosts and rows come in.

    def host(self, name: str) -> HostQueue:
        """Return the queue of a host that is not in the store alone, made on first sight."""
        return self._minding_crash(self.front.meet(name))

    def _minding_crash(self, host: HostQueue) -> HostQueue:
        """Let a host rest that may have been asked just before a crash."""
        host.gate.hold(self._aftermath.rest(max(host.courtesy.delay_s, host.record.delay_s)))
        return host

    def after_crash(self, now: float) -> None:
        """Learn, before anything else, that the last start crashed: what it asked at the end is not on record."""
        self._aftermath.begin(now)
        self._addresses.hold_new(self._aftermath.rest(self._manners.delay_per_ip_s))

    def heeds_crash(self, now: float) -> bool:
        """Tell whether a host still waits because of a crash: a start that ends now does not end the waiting."""
        return self._aftermath.is_minded(now)

    def know(self, hosts: list[Known], now: float) -> None:
        """Take over hosts from the store, each id once; those with URLs wait in line to be called.

        Their addresses may have been asked a moment ago; the hosts themselves too `after_crash`.
        """
        self.front.roster.load(hosts)
        self.queued += sum(known.queued for known in hosts)
        self._addresses.hold_new(now + self._manners.delay_per_ip_s)
        self._aftermath.rest(max((known.delay_s for known in hosts), default=0.0))

    def arrived(self, host_id: int, arrival: Arrival | None, now: float) -> None:
        """Let a host that was called begin; None when it is still to be committed. Its stored delays hold."""
        self.refills.arrived(host_id, arrival is not None)
        if arrival is None:
            return
        host, record = self.front.arrive(arrival), arrival.record
        if self._manners.robots and record.crawl_delay_s is not None:  # holds until the stored robots.txt is read
            host.courtesy.crawl_delay_s = min(record.crawl_delay_s, self._manners.max_crawl_delay_s)
            host.gate.delay_s = host.courtesy.delay_s
        if record.next_at:
            longest = max(self._manners.max_retry_after_s, self._manners.max_crawl_delay_s, host.courtesy.delay_s)
            # Of a host that was visited tomorrow the wall clock has been set back since: the wait counts from then.
            counted_from = max(arrival.utc, record.last_visit or 0.0)
            host.gate.hold(now + min(record.next_at - counted_from, longest))
        host.refill(arrival.rows, self.utc_offset, now)
        self._wake(self._minding_crash(host), now)

    def committed(self, pending: Container[int], now: float) -> None:
        """Learn that all handed out before is on disk, but for what hosts in `pending` have changed since."""
        self.refills.committed()
        for host in self.front.dismissible(pending, now):
            waits = host.standing is Standing.DUE
            if waits and self._book.is_failing(host):
                continue
            if waits:
                heappush(self._heap, (host.due_at, next(self._order), host.record.host_id))
            self._book.drop(host)
            for endpoint in host.endpoints:
                self._addresses.forget(endpoint.ip, now)
            self.front.dismiss(host)

    def discover(self, url: str, name: str, how: Discovery, now: float) -> QueueRow:
        """Queue a URL that is new to the crawl at the host `name` and return its row for the store."""
        host = self.front.find(name)
        host_id = host if isinstance(host, int) else host.record.host_id
        discovered_at = now + self.utc_offset
        row = QueueRow(host_id, next(self._seqs), url, how.depth, how.via, how.fetch, discovered_at, 0, how.hops, 0.0)
        if isinstance(host, int):
            self.front.roster.wait(host_id)
            self.queued += 1
            return row
        if not host.record.discovered:
            self._minding_crash(host)
        host.record.discovered += 1
        self._push(host, row, 0.0, now)
        return row

    def retry(self, request: Request, due_at: float, now: float, *, counted: bool = True) -> QueueRow:
        """Queue a request again for `due_at` and return its new row for the store; `counted` as one of its tries."""
        row = row_again(request, next(self._seqs), request.tries + counted, due_at + self.utc_offset)
        self._push(self.hosts[request.host_id], row, due_at, now)
        return row

    def _push(self, host: HostQueue, row: QueueRow, due_at: float, now: float) -> None:
        host.push(row, due_at, self.front.head_rows)
        self.queued += 1
        if host.standing is Standing.IDLE or (host.standing is Standing.PARKED and host.record.parked == UNREACHABLE):
            self._wake(host, now)

    # Jobs go out.

    def take(self, now: float) -> Job | None:
        """Return the next job, or None when nothing may be done before `next_at()`."""
        heap = self._heap
        while heap and heap[0][0] <= now:
            entry = heappop(heap)[2]
            if isinstance(entry, int):
                self.front.roster.wake(entry)
                continue
            host = self._first_waiting(entry, now) if isinstance(entry, AddressGate) else entry
            if host is not None and host.standing in _WAITING:
                job = self._serve(host, now)
                if job is not None:
                    self._call(fetchers_wait=False)
                    return job
        self._call(fetchers_wait=True)
        return None

    def _call(self, *, fetchers_wait: bool) -> None:
        called = self.front.call(fetchers_wait=fetchers_wait)
        if called:
            self.refills.call(called)

    def next_at(self) -> float | None:
        """Return when `take` may have something, or None when it waits for an answer or a refill."""
        return self._heap[0][0] if self._heap else None

    def _first_waiting(self, address: AddressGate, now: float) -> HostQueue | None:
        address.queued = False
        host = address.waiting.popleft() if address.waiting and address.admits(now) else None
        self._call_waiting(address, now)
        return host

    def _call_waiting(self, address: AddressGate, now: float) -> None:
        if not address.waiting or address.queued:
            return
        call_at = address.call_at(now)
        if call_at is not None:
            address.queued = True
            heappush(self._heap, (call_at, next(self._order), address))

    def _serve(self, host: HostQueue, now: float) -> Job | None:
        """Decide what one host needs next; leave it in the place where it waits for that."""
        host.settle_deferred(now)
        if host.wants_refill:
            self.refills.wish(host)
        if not host.head and not host.robots_hops:
            self._wake(host, now)
            return None
        if host.gate.next_at > now:
            self._enqueue(host, host.gate.next_at, now)
            return None
        if host.resolved_until <= now:
            self.front.stand(host, Standing.RESOLVING)
            self.open += 1
            return Resolve(host.record.host, host.record.host_id)
        if host.refused is not None:
            return self._refuse_address(host, host.refused, now)
        if host.unread_robots:
            self._book.read(host)
        if host.robots_hops:
            return self._send(host, host.robots_hops[0], now)
        return self._serve_page(host, now)

    def _serve_page(self, host: HostQueue, now: float) -> Job | None:
        row = host.head[0]
        if self._manners.robots:
            origin = origin_of(row.url)
            if origin in self._book.given_up:
                self._set_aside(host, now)
                return None
            robots = self.robots.get(origin)
            if robots is None or robots.expires_at <= now + self.utc_offset:
                return self._ask_robots(host, origin, now)
            if robots.unreachable:
                host.gate.hold(robots.expires_at - self.utc_offset)
                self._enqueue(host, host.gate.next_at, now)
                return None
            if not robots.rules.allowed(path_of(row.url)):
                return self._deny(host, Failure.ROBOTS, now)
        return self._send(host, host.request_of(row), now)

    def _set_aside(self, host: HostQueue, now: float) -> None:
        """Leave a row on disk until the next start; the host's other origins are no worse for it."""
        host.head.popleft()
        host.aside += 1
        self._wake(host, now)

    def _ask_robots(self, host: HostQueue, origin: str, now: float) -> Job | None:
        if origin in self._book.asked:
            self.front.stand(host, Standing.ROBOTS)
            return None
        job = self._send(
            host, RobotsFetch(origin, origin + "/robots.txt", host.record.host, host.record.host_id, 0), now
        )
        if job is not None:
            self._book.ask(origin, host)
        return job

    def _send(self, host: HostQueue, job: Request | RobotsFetch, now: float) -> Job | None:
        """Start the host's and its address's delay and hand the job out, or let the host wait for its address."""
        address = self._addresses.of(host.endpoints[0].ip)
        if not address.enter(now):
            self.front.stand(host, Standing.HELD)
            address.waiting.append(host)
            self._call_waiting(address, now)
            return None
        if isinstance(job, Request):
            host.head.popleft()
            self.queued -= 1
        elif host.robots_hops and host.robots_hops[0] is job:
            host.robots_hops.popleft()
        host.gate.start(now)
        self._sent[id(job)] = (address, host.endpoints[0])
        self.open += 1
        self._wake(host, now)
        return job

    def _deny(self, host: HostQueue, failure: Failure, now: float) -> Denied:
        request = host.request_of(host.head.popleft())
        self.queued -= 1
        self._wake(host, now)
        return Denied(request, failure)

    def _refuse_address(self, host: HostQueue, failure: Failure, now: float) -> Job:
        if not host.robots_hops:
            return self._deny(host, failure, now)
        fetch = host.robots_hops.popleft()
        self._wake(host, now)
        return RobotsRefused(fetch, failure)

    # Where a host waits.

    def _wake(self, host: HostQueue, now: float) -> None:
        """Put a host where it belongs now: the heap, its refill, rest, or behind its open requests."""
        if host.gate.open >= host.gate.limit:
            self.front.stand(host, Standing.FULL)
        elif host.head or host.robots_hops or host.deferred:
            self._enqueue(host, max(now, host.due_at), now)
        elif host.tail:
            self.front.stand(host, Standing.LOADING)
            self.refills.wish(host)
        elif host.aside:
            self.park(host, UNREACHABLE)
        else:
            self.front.stand(host, Standing.IDLE)

    def _enqueue(self, host: HostQueue, at: float, now: float) -> None:
        self.front.stand(host, Standing.DUE, wait_s=at - now)
        heappush(self._heap, (at, next(self._order), host))

    def park(self, host: HostQueue, reason: str) -> None:
        """Set a host aside until the next start; its rows stay queued."""
        host.record.parked = reason
        self.front.stand(host, Standing.PARKED)

    # Answers come back.

    def release(self, job: Request | RobotsFetch, outcome: Outcome, now: float) -> None:
        """End a job that was sent: free its gates and let the host's delay learn from the outcome."""
        host = self.hosts[job.host_id]
        address, _ = self._sent.pop(id(job))
        self.open -= 1
        host.courtesy.learn(outcome, isinstance(job, Request) and job.tries > 0)
        host.gate.delay_s = host.courtesy.delay_s
        host.gate.end(now)
        host.gate.hold(now + asked_pause_s(outcome, now + self.utc_offset, self._manners.max_retry_after_s))
        address.end(outcome, now)
        self._call_waiting(address, now)
        if isinstance(outcome, Failed):
            host.next_endpoint()
            if host.courtesy.exhausted:
                self.park(host, f"{host.courtesy.failures} failures in a row, the last: {outcome.failure.name.lower()}")
        if host.standing is Standing.FULL:
            self._wake(host, now)

    def abandon(self, job: Request | RobotsFetch, now: float) -> HostQueue:
        """End a job that is cut off because the crawl stops; its row waits on disk, its host until the delay is over.

        Returns the host, whose state is to be saved.
        """
        host = self.hosts[job.host_id]
        del self._sent[id(job)]
        self.open -= 1
        self.queued += isinstance(job, Request)
        host.gate.end(now)
        return host

    def resolved(self, host_id: int, endpoints: tuple[Endpoint, ...], until: float, now: float) -> None:
        """Take the host's addresses, at least one, good until `until`."""
        host = self._end_resolving(host_id)
        host.endpoints, host.resolved_until, host.refused = endpoints, max(until, now + 1.0), None
        self._wake(host, now)

    def refused(self, host_id: int, failure: Failure, until: float, now: float) -> None:
        """Learn that the host has no address, or none that may be reached: its pages are denied until `until`."""
        host = self._end_resolving(host_id)
        host.endpoints, host.resolved_until, host.refused = (), max(until, now + 1.0), failure
        self._wake(host, now)

    def unresolved(self, host_id: int, outcome: Failed, now: float) -> Request | RobotsFetch | None:
        """Learn that the host's name has no answer; return what would have been sent next, which failed with it."""
        host = self._end_resolving(host_id)
        host.courtesy.learn(outcome)
        host.gate.hold(now + host.courtesy.delay_s)
        job: Request | RobotsFetch | None = None
        if host.robots_hops:
            job = host.robots_hops.popleft()
        elif host.head:
            job = host.request_of(host.head.popleft())
            self.queued -= 1
        if host.courtesy.exhausted:
            self.park(host, f"{host.courtesy.failures} failures in a row, the last: dns")
        else:
            self._wake(host, now)
        return job

    def _end_resolving(self, host_id: int) -> HostQueue:
        host = self.hosts[host_id]
        assert host.standing is Standing.RESOLVING, "an answer for a name nobody asked for"
        self.open -= 1
        return host

    def robots_hop(self, fetch: RobotsFetch, url: str, name: str, now: float) -> bool:
        """Queue the target of a redirected robots.txt at its host, first of all; False where that host is parked."""
        host_id = self.front.roster.find(name)
        if host_id is not None and host_id not in self.hosts:
            if self.front.roster.place_of(host_id) in (Place.SHUT, Place.PARKED):
                return False
            self.refills.call(
                self.front.call_for(RobotsFetch(fetch.origin, url, name, host_id, fetch.hops + 1), host_id)
            )
            return True
        host = self.host(name)
        if host.standing is Standing.PARKED:
            return False
        host.robots_hops.append(RobotsFetch(fetch.origin, url, name, host.record.host_id, fetch.hops + 1))
        if host.standing in (Standing.IDLE, Standing.LOADING, Standing.ROBOTS):
            self._wake(host, now)
        return True

    def robots_host(self, origin: str) -> HostQueue:
        """Return the host that waits for the robots.txt of an origin."""
        return self._book.asked[origin]

    def robots_answered(self, origin: str, state: RobotsState, now: float) -> HostQueue:
        """Put an origin's robots.txt in force and return the host it belongs to."""
        host = self._book.answered(origin, state)
        if host.standing is Standing.ROBOTS:
            self._wake(host, now)
        return host

    def robots_unanswered(self, fetch: RobotsFetch, now: float) -> None:
        """Forget that an origin's robots.txt was asked for: nothing was learnt of it, so it is asked again."""
        host = self._book.end_asking(fetch.origin)
        if host.standing is Standing.ROBOTS:
            self._wake(host, now)

    # What is on disk.

    def refilled(self, host: HostQueue, rows: list[QueueRow], now: float) -> None:
        """Take the rows after `loaded_seq` that answer a wish of `refills`."""
        host.refill(rows, self.utc_offset, now)
        self.refills.answered(host, bool(rows))
        if rows and host.standing is Standing.LOADING:
            self._wake(host, now)

    def endpoint_of(self, job: Request | RobotsFetch) -> Endpoint:
        """Return where to send a job: the address that was reserved for it."""
        return self._sent[id(job)][1]

    # What the operator sees.

    @property
    def finished(self) -> bool:
        """Whether nothing is open, due or to be read: only parked hosts have anything left."""
        return not (self.open or self._heap or self.refills or self.front.roster.in_line)

    def standings(self, now: float) -> Counter[str]:
        """Count the hosts by where they stand; those that wait longer than their delay as `backing_off`."""
        return self.front.standings(now)
