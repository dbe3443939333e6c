"""The testbed's own test: `python tests/testbed/smoke.py`. Asserts structure, never speed.

Each kind of server is recorded for a second or two, so a machine that is busy with other things
makes it slower but not wrong. Tests that need PostgreSQL or a memory cgroup are skipped, and say
so, where there is none; with TESTBED_REQUIRE=1 a missing PostgreSQL is an error.
"""

import dataclasses
import os
import socket
import tempfile
import threading
import time
import unittest
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from harness import bare, cases, client, database, demand, files, generator, memory, summary
from harness.cases import Case
from harness.session import Session, run, session

CORES = (min(os.sched_getaffinity(0)),)


def small(case_id: str, **changes: Any) -> Case:
    """A declared case, made small enough for a test and fit for a machine of one core."""
    case = cases.read()[case_id]
    return dataclasses.replace(case, **{"cores": CORES, "seconds": 1, **changes})


class Drawing(unittest.TestCase):
    """What is sent is drawn, and drawn alike for everyone."""

    def test_the_same_seed_draws_the_same_requests_and_another_seed_others(self) -> None:
        def drawn(seed: int) -> list[demand.Request]:
            return demand.draw("exp:6,exp:10,exp:2", 50, 4, seed)

        self.assertEqual(drawn(1), drawn(1))
        self.assertNotEqual(drawn(1), drawn(2))

    def test_ten_times_the_rate_is_the_same_requests_ten_times_as_close(self) -> None:
        slow = demand.draw("mix:5:0.04:200,exp:10", 5, 40, seed=1)
        fast = demand.draw("mix:5:0.04:200,exp:10", 50, 4, seed=1)
        self.assertEqual([r.segments_ms for r in slow], [r.segments_ms for r in fast])
        for one, other in zip(slow, fast, strict=True):
            self.assertAlmostEqual(one.arrival_s, 10 * other.arrival_s, delta=1e-5)

    def test_arrivals_have_the_rate_asked_for(self) -> None:
        # 20 000 expected: five standard deviations of a Poisson count are 707.
        self.assertAlmostEqual(len(demand.draw("const:0", 200, 100, seed=7)), 20_000, delta=707)

    def test_segments_that_make_no_sense_are_named(self) -> None:
        for wrong in ("exp", "exp:1:2", "normal:3", "mix:1:2", "const:-1", "exp:1,,exp:2"):
            self.assertTrue(demand.problems(wrong), wrong)
        self.assertEqual(demand.problems("exp:1,const:0,mix:5:0.04:200"), [])

    def test_a_quantile_is_the_smallest_value_with_its_share_at_or_below_it(self) -> None:
        values = [float(x) for x in range(1, 21)]
        found = [summary.quantile(values, share) for share in (0.5, 0.9, 0.95, 0.99, 0.01)]
        self.assertEqual(found, [10.0, 18.0, 19.0, 20.0, 1.0])


class Declared(unittest.TestCase):
    """The set is what it is said to be."""

    def test_the_set_has_its_cases_over_every_stack_and_both_numbers_of_cores(self) -> None:
        declared = cases.read().values()
        self.assertGreaterEqual(len(declared), 25)
        self.assertEqual({case.stack for case in declared}, set(cases.STACKS))
        self.assertEqual({len(case.cores) for case in declared}, {1, 2})
        self.assertTrue(any(case.thrice for case in declared))

    def test_every_problem_of_a_file_is_named_at_once(self) -> None:
        text = '[[case]]\nid = "a"\nwhy = ""\nstack = "flask"\ncores = []\nworkers = 0\n'
        text += 'segments = "exp:x"\nrates = [5000]\n\n[[case]]\nid = "b"\nspeed = 3\n'
        with tempfile.TemporaryDirectory() as name:
            path = Path(name) / "cases.toml"
            path.write_text(text, encoding="utf-8")
            with self.assertRaises(ValueError) as raised:
                cases.read(path)
        for part in ("a: stack", "a: workers", "a: cores", "a: rates", "a: segments", "b: "):
            self.assertIn(part, str(raised.exception))


@contextmanager
def pretender(behave: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server that does one thing to every connection; yields its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    behave(connection)

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def answer_in_two_parts(connection: socket.socket) -> None:
    """A good answer whose last byte comes 0.2 s after its first."""
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n4")
    time.sleep(0.2)
    connection.sendall(b"2")


def answer_without_length(connection: socket.socket) -> None:
    """An error in chunks, as gunicorn sends Django's."""
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n")
    time.sleep(0.5)


def close_at_once(connection: socket.socket) -> None:
    """Half an answer and the end."""
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-")


def reset(connection: socket.socket) -> None:
    """A reset instead of an answer: what is left unread when a process dies."""
    connection.recv(10)
    time.sleep(0.05)


def say_nothing(connection: socket.socket) -> None:
    """Nobody at home."""
    connection.recv(65536)
    time.sleep(1.0)


class LoadGenerator(unittest.TestCase):
    """The generator tells each way of failing apart, and counts from the scheduled instant."""

    def one(self, behave: Callable[[socket.socket], None]) -> generator.Row:
        """What happens to one request."""
        with pretender(behave) as port:
            return self.sent(port)

    def sent(self, port: int) -> generator.Row:
        """One request to a port, with a patience of 0.4 s."""
        return generator.open_loop([*CORES], port, [(0.05, "1")], patience_s=0.4).rows[0]

    def test_latency_ends_with_the_last_byte(self) -> None:
        row = self.one(answer_in_two_parts)
        self.assertEqual((row.status, row.worker), (200, 42))
        self.assertGreaterEqual(row.latency_s, 0.2)

    def test_statuses_are_those_of_the_recordings(self) -> None:
        expected = {
            answer_without_length: 500,
            close_at_once: client.CLOSED_WITHOUT_ANSWER,
            reset: client.RESET,
            say_nothing: client.PATIENCE_OVER,
        }
        found = {behave: self.one(behave).status for behave in expected}
        self.assertEqual(found, expected)
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            row = self.sent(unused.getsockname()[1])
        self.assertEqual(row.status, client.CONNECT_FAILED)

    def test_a_server_that_answers_one_at_a_time_does_not_hold_back_the_load(self) -> None:
        def slow(connection: socket.socket) -> None:
            connection.recv(65536)
            time.sleep(0.1)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1")

        with pretender(slow) as port:
            due = [0.01 * index for index in range(10)]
            requests = [(at, "1") for at in due]
            rows = generator.open_loop([*CORES], port, requests, patience_s=10.0).rows
        # Waiting for the server, the last would be begun after 0.9 s and be answered in 0.1 s.
        self.assertEqual(len(rows), 10)
        self.assertLess(rows[-1].begun_s, 0.8)
        self.assertGreater(rows[-1].latency_s, 0.8)
        self.assertTrue(all(row.begun_s >= row.due_s for row in rows))


class RealServers(unittest.TestCase):
    """Every kind of server, recorded for real."""

    recorder: ClassVar[Session]
    directory: ClassVar[Path]

    @classmethod
    def setUpClass(cls) -> None:
        """One cluster for all."""
        try:
            database.program("initdb")
        except database.Missing as error:
            if os.environ.get("TESTBED_REQUIRE"):
                raise
            raise unittest.SkipTest(str(error)) from error
        temporary = tempfile.TemporaryDirectory()
        cls.addClassCleanup(temporary.cleanup)
        cls.directory = Path(temporary.name)
        cls.recorder = cls.enterClassContext(session(cls.directory))

    def recorded(self, case: Case, rate: float) -> list[dict[str, str]]:
        """Records the case and returns its trace, whose structure it checks."""
        asked = demand.draw(case.segments, rate, case.seconds, case.seed)
        self.assertIsNotNone(self.recorder.record(case, rate))
        name = f"{case.id}-{summary.number(rate)}.csv.gz"
        trace = files.read_compressed(self.directory / "traces" / name)
        sent = [demand.Request(float(r["arrival_s"]), r["segments_ms"]) for r in trace]
        self.assertEqual(sent, asked)
        self.assertEqual([*trace[0]], ["arrival_s", "segments_ms", "latency_s", "status"])
        workers = files.read_compressed(self.directory / "workers" / name)
        self.assertEqual(len(workers), len(trace))
        return trace

    def test_each_kind_answers_every_request_and_no_sooner_than_asked(self) -> None:
        ids = "sync-w3-c1 gthread-w2t4-c1 async-w2-c2 async-def-w1-c1 fastapi-w1-c1"
        for case_id in [*ids.split(), "fastapi-def-w1-c1"]:
            with self.subTest(case_id):
                for row in self.recorded(small(case_id), 25):
                    asked = sum(map(float, row["segments_ms"].split(";"))) / 1000.0
                    self.assertEqual(row["status"], "200")
                    self.assertGreaterEqual(float(row["latency_s"]), asked)
                self.assert_tables_agree(case_id)

    def assert_tables_agree(self, case_id: str) -> None:
        """The tables have the case's row, with what all its requests being answered implies."""
        rows, besides = (
            [row for row in files.read_table(self.directory / name) if row["id"] == case_id]
            for name in ("cases.csv", "machine.csv")
        )
        row, beside = rows[0], besides[0]
        self.assertEqual([*row], summary.COLUMNS)
        self.assertEqual(row["n"], row["ok"])
        self.assertEqual(sum(map(int, beside["worker_requests"].split())), int(beside["n"]))
        self.assertLessEqual(len(beside["worker_requests"].split()), int(row["workers"]))
        self.assertGreater(float(beside["server_cpu_s"]), float(beside["asked_cpu_s"]))

    def test_a_database_without_connections_left_is_a_500(self) -> None:
        changes = {"workers": 3, "max_connections": 4}
        case = small("sync-w8-maxconn8-c1", segments="const:1,const:400,const:1", **changes)
        statuses = {row["status"] for row in self.recorded(case, 40)}
        self.assertEqual(statuses, {"200", "500"})

    def test_clients_give_up_when_their_patience_is_over(self) -> None:
        asked = "const:1,const:300,const:1"
        case = small("sync-w1-c1", segments=asked, client_timeout_s=1)
        trace = self.recorded(case, 20)
        self.assertEqual({row["status"] for row in trace}, {"200", "6"})
        late = [float(row["latency_s"]) for row in trace if row["status"] == "6"]
        self.assertGreaterEqual(min(late), 1.0)

    def test_a_memory_limit_kills_what_does_not_fit(self) -> None:
        try:
            with memory.limited(64):
                pass
        except memory.Unavailable as error:
            self.skipTest(str(error))
        case = small("async-oom-c1", memory_mb=220, req_kb=8192, pool=5, workers=1)
        statuses = {row["status"] for row in self.recorded(case, 40)}
        self.assertTrue(statuses & {"1", "3", "4"}, statuses)
        rows = files.read_table(self.directory / "machine.csv")
        kills = [row["oom_kills"] for row in rows if row["id"] == case.id]
        self.assertGreaterEqual(int(kills[0]), 1)

    def test_bare_costs_are_measured_in_every_way(self) -> None:
        case = small("sync-w1-c1")
        self.recorder.bare(case, seconds=0.2)
        rows = files.read_table(self.directory / "bare.csv")
        self.assertEqual(len(rows), 2 + len(bare.ways(case)) * len(bare.EMPTY_QUERIES))
        for row in rows:
            self.assertGreater(int(row["n"]), 0, row)
            self.assertEqual(row["failed"], "0", row)


if __name__ == "__main__":
    run(unittest.main)
