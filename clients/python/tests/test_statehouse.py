# SPDX-License-Identifier: Apache-2.0
"""What users of Statehouse write, against the state of the backend at ``FLK_STATE``."""

import builtins
import io
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import uuid
from concurrent import futures
from contextlib import redirect_stderr, redirect_stdout
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import grpc
import statehouse
from flk_state import protocol as pb
from statehouse import (
    AuthenticationError,
    ConflictError,
    NotFoundError,
    Statehouse,
    StatehouseError,
    TransactionError,
)
from statehouse.cli.main import _escape, main
from statehouse.exceptions import ConnectionError

EXAMPLE = Path(__file__).resolve().parents[1] / "examples/agent_research/agent.py"
NOWHERE = "localhost:1"


class BackendTest(unittest.TestCase):
    """Gives each test a client, and an agent of its own."""

    def setUp(self):
        if "FLK_STATE" not in os.environ:
            self.skipTest("FLK_STATE is not set: needs a backend")
        self.url = os.environ["FLK_STATE"]
        self.client = Statehouse(url=self.url)
        self.addCleanup(self.client.close)
        self.agent = f"agent-{uuid.uuid4()}"

    def value(self, key="k", **more):
        found = self.client.get_state(agent_id=self.agent, key=key, **more)
        return None if found is None else found.value

    def put(self, value, key="k", **more):
        with self.client.begin_transaction() as tx:
            tx.write(agent_id=self.agent, key=key, value=value, **more)


class ConnectionTest(unittest.TestCase):
    def test_connection_refused_says_what_to_do(self):
        with Statehouse(url=NOWHERE, connect_timeout=0.2) as client:
            for call in (
                lambda: client.get_state(agent_id="a", key="k"),
                lambda: client.write(agent_id="a", key="k", value=1),
                lambda: client.begin_transaction(timeout_ms=1_000),
                lambda: next(client.replay(agent_id="a")),
                client.health,
            ):
                with self.assertRaisesRegex(ConnectionError, "^Failed to connect to localhost:1: .*STATE_PORT"):
                    call()

    def test_retry_loop_ends_with_the_error_of_the_connection(self):
        failures = []
        with Statehouse(url=NOWHERE, connect_timeout=0.1) as client:
            while len(failures) < 3:
                try:
                    client.health()
                except ConnectionError as e:
                    failures.append(e)
        self.assertIsInstance(failures[-1], builtins.ConnectionError)

    def test_stars_leave_the_error_of_python_alone(self):
        for module in ("statehouse", "statehouse.exceptions"):
            names = {}
            exec(f"from {module} import *", names)
            self.assertIn("TransactionError", names)
            self.assertNotIn("ConnectionError", names)
        self.assertIs(ConnectionError, statehouse.ConnectionError)

    def test_urls(self):
        for url in ("http://localhost:1", "https://localhost:1/", "localhost:1"):
            with Statehouse(url) as client:
                self.assertEqual("localhost:1", client.url)
        with self.assertRaisesRegex(ValueError, "https://"):
            Statehouse("ftp://localhost")


class TransactionTest(BackendTest):
    def test_block_commits_once(self):
        with self.client.begin_transaction() as tx:
            tx.write(agent_id=self.agent, key="k1", value={"x": 1})
            tx.write(agent_id=self.agent, key="k2", value={"y": 2})
        self.assertEqual(({"x": 1}, {"y": 2}), (self.value("k1"), self.value("k2")))
        [event] = self.client.replay(agent_id=self.agent)
        self.assertEqual(2, len(event.operations))

    def test_exception_aborts(self):
        with self.assertRaises(ZeroDivisionError):
            with self.client.begin_transaction() as tx:
                tx.write(agent_id=self.agent, key="k", value={"x": 1})
                1 / 0
        self.assertIsNone(self.value())
        self.assertEqual([], list(self.client.replay(agent_id=self.agent)))

    def test_block_that_ended_its_transaction(self):
        with self.client.begin_transaction() as tx:
            tx.write(agent_id=self.agent, key="k", value=1)
            tx.commit()
        with self.client.begin_transaction() as tx:
            tx.write(agent_id=self.agent, key="k", value=2)
            tx.abort()
        self.assertEqual(1, self.value())

    def test_agents_and_namespaces_commit_together(self):
        other = f"{self.agent}-other"
        with self.client.begin_transaction() as tx:
            tx.write(agent_id=self.agent, key="k", value={"x": 1})
            tx.write(agent_id=other, key="k", value={"y": 2}, namespace="staging")
        self.assertEqual({"x": 1}, self.value())
        self.assertEqual({"y": 2}, self.client.get_state(agent_id=other, key="k", namespace="staging").value)

    def test_second_commit(self):
        tx = self.client.begin_transaction()
        tx.write(agent_id=self.agent, key="k", value={"x": 1})
        tx.commit()
        for call in (tx.commit, tx.abort, lambda: tx.write(agent_id=self.agent, key="k", value=2)):
            with self.assertRaisesRegex(TransactionError, "^Transaction already committed"):
                call()

    def test_aborted_transaction_is_not_found(self):
        tx = self.client.begin_transaction()
        tx.write(agent_id=self.agent, key="k", value={"x": 1})
        tx.abort()
        tx.abort()
        for kind in (StatehouseError, TransactionError, NotFoundError):
            with self.assertRaisesRegex(kind, "^Transaction not found"):
                tx.commit()
        self.assertIsNone(self.value())

    def test_rejected_commit_is_cleaned_up(self):
        tx = self.client.begin_transaction()
        with self.assertRaisesRegex(TransactionError, "key"):
            try:
                tx.write(agent_id=self.agent, key="", value={"x": 1})
                tx.commit()
            except Exception:
                tx.abort()
                raise

    def test_expired(self):
        tx = self.client.begin_transaction(timeout_ms=1)
        while time.monotonic() <= tx._expires_at:
            pass
        for call in (lambda: tx.write(agent_id=self.agent, key="k", value=1), tx.commit):
            with self.assertRaisesRegex(TransactionError, "^Transaction expired"):
                call()
        tx.abort()
        self.assertAlmostEqual(30, self.client.begin_transaction()._expires_at - time.monotonic(), delta=5)

    def test_timeout_above_the_backends(self):
        self.client.begin_transaction(timeout_ms=30_000).commit()
        for timeout in (30_001, 0):
            with self.assertRaisesRegex(TransactionError, rf"at most 30000 ms \(STATE_TX_TIMEOUT\): {timeout} ms"):
                self.client.begin_transaction(timeout_ms=timeout)

    def test_batches(self):
        items = [(f"k{i:03}", {"x": i}) for i in range(250)]
        for first in range(0, len(items), 100):
            with self.client.begin_transaction() as tx:
                for key, value in items[first : first + 100]:
                    tx.write(agent_id=self.agent, key=key, value=value)
        self.assertEqual([100, 100, 50], [len(event.operations) for event in self.client.replay(self.agent)])
        with self.assertRaisesRegex(TransactionError, "10000|10,000"):
            with self.client.begin_transaction() as tx:
                for i in range(10_001):
                    tx.write(agent_id=self.agent, key=f"k{i}", value={})

    def test_too_large_value(self):
        with self.assertRaisesRegex(TransactionError, "1048576"):
            self.put({"data": "x" * (1 << 20)})
        self.put({"at": "s3://documents/7", "bytes": 50_000_000})

    def test_retried_until_it_commits(self):
        def put(key):
            failures = 0
            while failures < 3:
                try:
                    return self.put({"x": 1}, key=key) or failures
                except TransactionError:
                    failures += 1
            return failures

        self.assertEqual((0, 3), (put("k"), put("")))
        self.assertEqual({"x": 1}, self.value())

    def test_conditional_update(self):
        def update(read_version, value):
            found = self.client.get_state(agent_id=self.agent, key="k")
            if not found or found.version != read_version:
                return False
            self.put(value)
            return True

        self.put({"x": 1})
        self.assertTrue(update(1, {"x": 2}))
        self.assertFalse(update(1, {"x": 3}))
        with self.assertRaises(ConflictError) as conflict:
            self.client.write(agent_id=self.agent, key="k", value={"x": 3}, if_version=1)
        self.assertIsInstance(conflict.exception, TransactionError)
        self.client.delete(agent_id=self.agent, key="k", if_version=2)
        self.assertIsNone(self.value())

    def test_safe_deletion(self):
        self.put({"x": 1})
        for _ in range(2):
            if self.client.get_state(agent_id=self.agent, key="k"):
                with self.client.begin_transaction() as tx:
                    tx.delete(agent_id=self.agent, key="k")
        self.assertEqual(2, len(list(self.client.replay(agent_id=self.agent))))

    def test_lifetime(self):
        self.put(1, ttl=3600)
        self.put(2, ttl=timedelta(hours=1))
        with self.assertRaisesRegex(TransactionError, "from 1 s to 30 days"):
            self.put(3, ttl=0.5)
        self.client.write(agent_id=self.agent, key="k", value=4, ttl=1)
        deadline = time.monotonic() + 30
        while self.value() is not None:
            self.assertLess(time.monotonic(), deadline)

    def test_clients_share_a_connection_between_threads(self):
        with futures.ThreadPoolExecutor(4) as threads:
            list(threads.map(lambda i: self.put(i, key=f"k{i}"), range(40)))
        self.assertEqual(40, len(self.client.list_keys(agent_id=self.agent)))


class ValueTest(BackendTest):
    def test_values_are_returned_as_they_were_written(self):
        for value in (
            {"fact": "Paris is in France"}, {"x": 3.5}, {"x": 3.0}, 2**63, -0.0, 1e300, 0.1, [], {}, "text", "", True,
            None, {"ü": "\u2028\U0001f600"}, {"half": "\ud83d"}, [1, [2.5, None, {"a": {"b": []}}]],
        ):
            with self.subTest(value=value):
                self.put(value)
                found = self.client.get_state(agent_id=self.agent, key="k")
                self.assertEqual(value, found.value)
                self.assertIs(type(value), type(found.value))
                self.assertEqual(repr(value), repr(found.value))

    def test_decimals(self):
        self.put({"x": float(Decimal("3.5")), "text": "3.5"})
        self.assertEqual({"x": 3.5, "text": "3.5"}, self.value())
        value = {"x": [Decimal("3.50"), Decimal("0.1000000000000000055511151231257827"), Decimal("1E+3")], "y": "z"}
        self.put(value)
        found = self.client.get_state(agent_id=self.agent, key="k")
        self.assertIn("[3.50,0.1000000000000000055511151231257827,1E+3]", found.json)
        with Statehouse(self.url, parse_float=Decimal) as exact:
            read = exact.get_state(agent_id=self.agent, key="k").value
            self.assertEqual(str(value), str(read))
            [*_, last] = exact.replay(agent_id=self.agent)
            self.assertEqual(value, last.operations[0].value)

    def test_what_json_does_not_have(self):
        tx = self.client.begin_transaction()
        for value, kind in (({1, 2}, TypeError), (float("nan"), ValueError), (Decimal("Infinity"), ValueError)):
            with self.assertRaises(kind):
                tx.write(agent_id=self.agent, key="k", value=value)

    def test_missing_key(self):
        self.assertIsNone(self.client.get_state(agent_id=self.agent, key="k"))
        self.assertFalse(self.client.get_state(agent_id=self.agent, key="k"))
        self.put({"x": 0})
        self.assertEqual({"x": 0}, self.value())

    def test_update_replaces_and_counts_versions(self):
        before = datetime.now(timezone.utc) - timedelta(minutes=1)
        self.put({"mode": "fast", "more": 1})
        self.put({"mode": "slow"})
        found = self.client.get_state(agent_id=self.agent, key="k")
        self.assertEqual(({"mode": "slow"}, 2), (found.value, found.version))
        self.assertGreater(found.timestamp, before)
        [first, second] = self.client.replay(agent_id=self.agent)
        self.assertEqual((second.revision, second.timestamp), (found.revision, found.timestamp))
        self.assertLess(first.revision, second.revision)

    def test_versions(self):
        self.put({"x": 1})
        self.put({"x": 2})
        self.client.delete(agent_id=self.agent, key="k")
        self.put({"x": 4})

        def at(version):
            return self.client.get_state_at_version(agent_id=self.agent, key="k", version=version)

        self.assertEqual([{"x": 1}, {"x": 2}, {"x": 4}], [at(version).value for version in (1, 2, 4)])
        self.assertEqual((None, None), (at(3), at(5)))

    def test_deletion_is_an_event_with_a_version(self):
        self.put({"x": 1})
        with self.client.begin_transaction() as tx:
            tx.delete(agent_id=self.agent, key="k")
        self.assertIsNone(self.value())
        found = [
            (op.type.name, op.key, op.version, op.value)
            for event in self.client.replay(agent_id=self.agent)
            for op in event.operations
        ]
        self.assertEqual([("WRITE", "k", 1, {"x": 1}), ("DELETE", "k", 2, None)], found)

    def test_lists(self):
        with self.client.begin_transaction() as tx:
            for key in ("config", "run/7/b", "run/7/a", "run/8/a"):
                tx.write(agent_id=self.agent, key=key, value={})
        found = self.client.scan_prefix(agent_id=self.agent, prefix="run/7/")
        self.assertEqual(["run/7/a", "run/7/b"], found)
        keys = self.client.list_keys(agent_id=self.agent)
        self.assertEqual("config", keys[0])
        with self.client.begin_transaction() as tx:
            for key in keys:
                tx.delete(agent_id=self.agent, key=key)
        self.assertEqual([], self.client.list_keys(agent_id=self.agent))

    def test_namespaces_are_apart(self):
        self.put({"x": 1}, namespace="production")
        self.assertIsNone(self.value())
        self.assertEqual({"x": 1}, self.value(namespace="production"))
        self.assertEqual(["k"], self.client.list_keys(agent_id=self.agent, namespace="production"))
        counts = [
            len(list(self.client.replay(agent_id=self.agent, namespace=namespace)))
            for namespace in ("default", "dev", "production")
        ]
        self.assertEqual([0, 0, 1], counts)


class ReplayTest(BackendTest):
    def setUp(self):
        super().setUp()
        for i in range(3):
            self.put(i)
        self.events = list(self.client.replay(agent_id=self.agent))

    def values(self, **conditions):
        return [
            op.value
            for event in self.client.replay(agent_id=self.agent, **conditions)
            for op in event.operations
        ]

    def test_agent_without_events(self):
        self.assertEqual([], list(self.client.replay(agent_id="never-written")))

    def test_range_of_times(self):
        times = [event.timestamp for event in self.events]
        self.assertEqual([1, 2], self.values(from_timestamp=times[1]))
        self.assertEqual([0, 1], self.values(to_timestamp=times[2]))
        self.assertEqual([1], self.values(from_timestamp=str(times[1]), to_timestamp=times[2].isoformat()))
        self.assertEqual([0, 1, 2], self.values(from_timestamp="2026-02-07T10:00:00Z"))
        self.assertEqual([], self.values(from_timestamp="2026-02-07T10:00:00Z", to_timestamp="2026-02-07T11:00:00Z"))
        self.assertEqual([], self.values(from_timestamp="2999-01-01T00:00:00.123456789+01:00"))

    def test_time_without_zone_is_refused(self):
        for time_ in ("2026-02-07T10:00:00", "2026-02-07", datetime(2026, 2, 7)):
            with self.assertRaisesRegex(ValueError, "zone"):
                self.client.replay(agent_id=self.agent, from_timestamp=time_)
            with self.assertRaisesRegex(ValueError, "zone"):
                self.client.replay(agent_id=self.agent, to_timestamp=time_)
        with self.assertRaisesRegex(TypeError, "datetime"):
            self.client.replay(agent_id=self.agent, from_timestamp=1770458400)

    def test_saved_position(self):
        saved = None
        for event in self.client.replay(agent_id=self.agent, from_timestamp=saved):
            saved = event.timestamp
        self.put(3)
        self.assertEqual([2, 3], self.values(from_timestamp=saved))
        self.assertEqual([3], self.values(resume_token=self.events[-1].resume_token))

    def test_printed(self):
        for event in self.events:
            self.assertRegex(f"[{event.timestamp}] {event.operations}", r"^\[2.*\+00:00\] .*OperationType.WRITE")
            self.assertIn("operations", str(event))

    def test_follow(self):
        following = self.client.replay(agent_id=self.agent, follow=True)
        self.assertEqual([0, 1, 2], [next(following).operations[0].value for _ in range(3)])
        self.put(3)
        self.assertEqual(3, next(following).operations[0].value)
        following.close()


class StatusTest(BackendTest):
    def test_health_and_version(self):
        self.client.write(agent_id=self.agent, key="k", value={"x": 1})
        health = self.client.health()
        self.assertEqual((True, ""), (health.is_serving, health.reason))
        self.assertGreater(health.revision, 0)
        version = self.client.version()
        self.assertEqual(statehouse.__version__, version.client)
        self.assertTrue(version.engine and version.history_id)


class Service:
    """Records the metadata and the ids of requests. Commits, if the token is right, but loses the first answers."""

    def __init__(self):
        self.lost = 1
        self.metadata = []
        self.ids = []

    def Apply(self, request, context):
        metadata = dict(context.invocation_metadata())
        self.metadata.append(metadata)
        if metadata.get("authorization") != "Bearer t":
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "no token")
        self.ids.append(request.request_id)
        if len(self.ids) <= self.lost:
            context.abort(grpc.StatusCode.UNAVAILABLE, "gone")
        return pb.CommitResponse(revision=5)


class LostAnswerTest(unittest.TestCase):
    def setUp(self):
        self.service = Service()
        self.server = grpc.server(futures.ThreadPoolExecutor(2))
        pb.add_to_server(self.service, self.server, "flk.state.v1.State")
        self.url = f"localhost:{self.server.add_insecure_port('localhost:0')}"
        self.server.start()
        self.addCleanup(lambda: self.server.stop(None).wait())

    def test_commit_is_repeated_under_its_request_id(self):
        with Statehouse(self.url, metadata=[("Authorization", "Bearer t")]) as client:
            self.assertEqual(5, client.write(agent_id="a", key="k", value=1).revision)
        self.assertEqual(2, len(self.service.ids))
        self.assertEqual(1, len(set(self.service.ids)))

    def test_metadata_of_a_transaction(self):
        with Statehouse(self.url, {"authorization": "Bearer t"}) as client:
            client.begin_transaction(metadata={"x-run": "7"}).commit()
            client.begin_transaction().commit()
        self.assertEqual(["7", "7", None], [metadata.get("x-run") for metadata in self.service.metadata])

    def test_token_is_missing(self):
        with Statehouse(self.url) as client, self.assertRaisesRegex(AuthenticationError, "no token"):
            client.write(agent_id="a", key="k", value=1)

    def test_lost_connection_leaves_the_commit_to_be_called_again(self):
        self.service.lost = 1_000
        with Statehouse(self.url, {"authorization": "Bearer t"}, timeout=0.5) as client:
            tx = client.begin_transaction()
            tx.write(agent_id="a", key="k", value=1)
            with self.assertRaisesRegex(ConnectionError, "^Connection lost"):
                tx.commit()
            with self.assertRaisesRegex(TransactionError, "call commit again"):
                tx.write(agent_id="a", key="k", value=2)
            self.service.lost = 0
            self.assertEqual(5, tx.commit().revision)
        self.assertEqual(1, len(set(self.service.ids)))


class CommandTest(BackendTest):
    def run_command(self, *arguments, url=None, expected=0):
        with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
            try:
                code = main([*arguments, "--url", url or self.url])
            except SystemExit as e:
                code = e.code
        self.assertEqual(expected, code, err.getvalue())
        return out.getvalue() if expected == 0 else err.getvalue()

    def lines(self, *arguments):
        return [json.loads(line) for line in self.run_command(*arguments, "--json").split("\n") if line]

    def test_commands(self):
        self.put({"x": Decimal("3.50")}, ttl=3600)
        self.put({"fact": "Paris"}, key="memory:facts")
        self.client.delete(agent_id=self.agent, key="memory:facts")
        self.assertRegex(self.run_command("health"), r"^serving, at revision \d+\n$")
        self.assertEqual([{"serving": True}], self.lines("health"))
        self.assertEqual("k\n", self.run_command("keys", self.agent))
        self.assertEqual([{"key": "k"}], self.lines("keys", self.agent))
        self.assertEqual("", self.run_command("keys", self.agent, "--prefix", "m"))
        self.assertEqual('{"x":3.50}\n', self.run_command("get", self.agent, "k"))
        self.assertIn('"value":{"x":3.50}', self.run_command("get", self.agent, "k", "--json"))
        self.assertEqual('{"fact":"Paris"}\n', self.run_command("get", self.agent, "memory:facts", "--version", "1"))
        printed = self.run_command("replay", self.agent)
        self.assertEqual(3, len(printed.splitlines()))
        self.assertTrue(printed.endswith("memory:facts v2  deleted\n"))
        events = self.lines("replay", self.agent)
        self.assertEqual(["WRITE", "WRITE", "DELETE"], [event["changes"][0]["kind"] for event in events])
        self.assertEqual(2, len(self.lines("replay", self.agent, "--from", events[1]["committed_at"])))
        self.assertRegex(self.run_command("version"), rf"^statehousectl {statehouse.__version__}; state: engine ")
        self.assertEqual(statehouse.__version__, self.lines("version")[0]["client"])

    def test_dump(self):
        self.put({"x": Decimal("3.50")}, ttl=3600)
        self.put(2)
        with tempfile.TemporaryDirectory() as directory:
            file = Path(directory, "backup.json")
            self.assertEqual("", self.run_command("dump", self.agent, "-o", str(file)))
            text = file.read_text(encoding="utf-8")
            self.assertIn("File exists", self.run_command("dump", self.agent, "-o", str(file), expected=1))
        [head, *events, end] = map(json.loads, text.splitlines())
        self.assertEqual((1, {"events": 2}), (head["dump"], end))
        self.assertEqual(3_600_000_000, events[0]["changes"][0]["ttl_micros"])
        self.assertIn('"value":{"x":3.50}', text)
        self.assertEqual(text, self.run_command("dump", self.agent))
        self.assertGreater(len(self.lines("dump")), 3)

    def test_tail(self):
        tail = subprocess.Popen(
            [sys.executable, "-m", "statehouse.cli.main", "tail", self.agent, "--url", self.url, "--json"],
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )
        self.addCleanup(tail.stdout.close)
        self.addCleanup(tail.wait)
        self.addCleanup(tail.kill)
        stopped = threading.Event()

        def write():  # it follows from its start, which is not visible from here
            while not stopped.is_set():
                self.put("again")
                stopped.wait(0.05)

        writer = threading.Thread(target=write)
        writer.start()
        try:
            self.assertEqual("again", json.loads(tail.stdout.readline())["changes"][0]["value"])
        finally:
            stopped.set()
            writer.join()

    def test_failures(self):
        self.assertIn("no such key", self.run_command("get", self.agent, "k", expected=1))
        self.assertIn(
            "Failed to connect to localhost:1", self.run_command("health", "--timeout", "0.2", url=NOWHERE, expected=1)
        )
        self.assertIn("zone", self.run_command("replay", self.agent, "--from", "2026-02-07", expected=2))
        self.assertIn("usage", self.run_command("keys", expected=2))
        self.assertIn("https://", self.run_command("health", url="ftp://localhost", expected=2))

    def test_installed_command(self):
        installed = Path(sys.executable).with_name("statehousectl")
        for command in ([installed], [sys.executable, "-m", "statehouse.cli.main"]):
            ended = subprocess.run([*command, "health", "--url", self.url], capture_output=True)
            self.assertEqual(0, ended.returncode)

    def test_characters_that_control_a_terminal(self):
        self.put("\u202e\x1b\U000e0001")
        self.assertEqual('"\\u202e\\u001b\\udb40\\udc01"\n', self.run_command("get", self.agent, "k"))
        self.assertTrue(self.run_command("dump", self.agent).isascii())
        error = self.run_command("get", self.agent, "\u202e", expected=1)
        self.assertIn(f"no such key: {self.agent} \\u202e", error)
        self.assertEqual("\\ud83d", _escape("\ud83d"))


class ExampleTest(BackendTest):
    def start(self):
        return subprocess.Popen(
            [sys.executable, EXAMPLE, self.agent, "--url", self.url, "--seconds", "0.3"],
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )

    def test_agent_that_is_killed_continues(self):
        first = self.start()
        for line in first.stdout:
            if line.startswith("done: sources"):
                first.kill()
        first.wait()
        first.stdout.close()
        self.assertIsNone(self.value("answer"))

        second = self.start()
        printed, _ = second.communicate()
        self.assertEqual(0, second.returncode)
        self.assertRegex(printed, r"^continues after: .*sources")
        self.assertNotIn("done: sources", printed)
        self.assertIn("Paris", self.value("answer")["text"])
        versions = [op.version for event in self.client.replay(self.agent) for op in event.operations]
        self.assertEqual({1}, set(versions))
        third = self.start()
        self.assertNotIn("done: ", third.communicate()[0])


if __name__ == "__main__":
    unittest.main()
