# SPDX-License-Identifier: Apache-2.0
"""The client against the state of the backend at ``FLK_STATE``."""

import os
import threading
import time
import unittest
from concurrent import futures
from datetime import datetime, timedelta, timezone
from decimal import Decimal

import grpc
from flk_state import protocol as pb
from flk_state import Compacted, HistoryChanged, Invalid, StateClient, StateError, Unreachable, VersionConflict


@unittest.skipUnless("FLK_STATE" in os.environ, "FLK_STATE is not set: needs a backend")
class StateTest(unittest.TestCase):
    def setUp(self):
        self.root = StateClient(os.environ["FLK_STATE"])
        self.addCleanup(self.root.close)
        self.name = self.id().rsplit(".", 1)[1]
        self.state = self.root.namespace(self.name)

    def test_values_versions_and_conflicts(self):
        state = self.state
        first = state.begin().write("a", "k", '{ "n": 3.50 }', if_version=0).commit()
        self.assertEqual((1,), first.versions)
        found = state.get("a", "k")
        self.assertEqual(('{"n":3.50}', {"n": 3.5}, 1), (found.json, found.value, found.version))
        self.assertEqual(first.committed_at, found.committed_at)
        with self.assertRaises(VersionConflict) as conflict:
            state.begin().write("a", "k", "2", if_version=7).commit()
        self.assertEqual((7, 1), (conflict.exception.expected, conflict.exception.actual))
        state.begin().check("a", "k", 1).delete("a", "k").write("b", "k", "true").commit()
        self.assertIsNone(state.get("a", "k"))
        self.assertIsNone(state.get("a", "never"))
        self.assertTrue(state.get("a", "k", version=2).is_deleted)
        self.assertEqual("{\"n\":3.50}", state.get("a", "k", at=first.revision).json)
        self.assertEqual("{\"n\":3.50}", state.get("a", "k", at=first.committed_at).json)
        self.assertEqual([2, 1], [version.version for version in state.history("a", "k")])

    def test_values_that_are_not_texts(self):
        state = self.state
        for value, text in (({"n": [1, 3.0, None, True]}, '{"n":[1,3.0,null,true]}'), (7, "7"), (None, "null"),
                            (Decimal("3.50"), "3.50"), ('{"n": 1}', '{"n":1}')):
            state.begin().write("a", "k", value).commit()
            self.assertEqual(text, state.get("a", "k").json)
        for value in ({1, 2}, b"1"):
            with self.assertRaisesRegex(TypeError, f"JSON has no {type(value).__name__}"):
                state.begin().write("a", "k", value)

    def test_times_as_texts(self):
        first = self.state.begin().write("a", "k", "1").commit().committed_at
        second = self.state.begin().write("a", "k", "2").commit().committed_at
        self.assertEqual("1", self.state.get("a", "k", at=first.isoformat()).json)
        self.assertEqual("2", self.state.get("a", "k", at=str(second).replace("+00:00", "Z")).json)
        zone = timezone(timedelta(hours=-5))
        found = self.state.replay(start=second.astimezone(zone).isoformat(), end="2999-01-01T00:00:00Z")
        self.assertEqual(["2"], [event.changes[0].json for event in found])
        with self.assertRaisesRegex(ValueError, "zone"):
            self.state.get("a", "k", at="2026-01-31T12:00:00")
        with self.assertRaisesRegex(ValueError, "zone"):
            self.state.replay(start="yesterday")

    def test_lists_continue_over_pages(self):
        transaction = self.state.begin()
        for i in range(2_500):
            transaction.write("a", f"k{i:04}", str(i))
        transaction.write("b", "x", "1").commit()
        self.assertEqual([f"k{i:04}" for i in range(2_500)], list(self.state.keys("a")))
        self.assertEqual(500, len(list(self.state.keys("a", "k2"))))
        self.assertEqual(["a", "b"], list(self.state.agents()))
        self.assertEqual(["b"], list(self.state.agents("b")))
        self.assertEqual([self.name], list(self.root.namespaces("test_lists")))

    def test_lifetime_ends_with_a_deletion(self) -> None:
        self.state.begin().write("a", "k", "1", ttl=timedelta(days=1)).commit()
        self.state.begin().touch("a", "k", timedelta(seconds=1)).commit()
        deadline = time.monotonic() + 30
        while self.state.get("a", "k") is not None:
            self.assertLess(time.monotonic(), deadline)
        with self.assertRaises(VersionConflict):
            self.state.begin().touch("a", "k", timedelta(seconds=1)).commit()

    def test_transaction_over_namespaces(self):
        self.state.begin().write("a", "k", "1").write("a", "k", "2", namespace="test-other").commit()
        self.assertEqual("2", self.root.namespace("test-other").get("a", "k").json)

    def test_removal(self):
        self.state.begin().write("a", "x/1", "1").write("a", "x/2", "2").write("a", "y", "3").commit()
        last = self.state.begin().write("a", "x/3", "4").commit()
        with self.assertRaises(VersionConflict):
            self.state.delete_prefix("a", "x/", if_revision=last.revision - 1)
        removed = self.state.delete_prefix("a", "x/", if_revision=last.revision)
        self.assertEqual((2, 2, 2), removed.versions)
        self.assertEqual(["y"], list(self.state.keys("a")))
        self.assertEqual(1, len(self.state.delete_agent("a").versions))
        self.assertEqual(0, self.state.delete_agent("a").revision)

    def test_mistakes(self):
        with self.assertRaises(Invalid):
            self.state.begin().write("a", "k", "{").commit()
        with self.assertRaises(ValueError):
            self.state.get("a", "k", at=datetime.now())
        with self.assertRaises(ValueError):
            self.state.begin().write("a", "k", '"\ud800"')
        committed = self.state.begin().write("a", "k", "1")
        committed.commit()
        with self.assertRaises(RuntimeError):
            committed.commit()
        with self.assertRaises(RuntimeError):
            committed.write("a", "k", "2")
        with self.assertRaises(StateError):
            list(self.state.find("$"))  # only Postgres searches

    def test_replay(self):
        begin = datetime.now(timezone.utc) - timedelta(seconds=1)
        commits = [self.state.begin().write(agent, "k", str(i)).commit() for i, agent in enumerate("abab")]
        revisions = [commit.revision for commit in commits]
        with self.state.replay() as replay:
            events = list(replay)
        self.assertEqual(revisions, [event.revision for event in events])
        self.assertEqual("0", events[0].changes[0].json)
        self.assertEqual(revisions[1::2], [event.revision for event in self.state.replay("b", start=begin)])
        self.assertEqual(revisions[1:3], [
            event.revision for event in self.state.replay(start=revisions[1], end=revisions[3])])
        self.assertEqual(revisions[3:], [
            event.revision for event in self.state.replay(resume_token=events[2].resume_token)])
        with self.assertRaises((HistoryChanged, Invalid)):
            list(self.state.replay(resume_token="x" + events[2].resume_token))

    def test_follow_ends_when_it_is_closed(self):
        replay = self.state.replay(follow=True)
        read = []
        reader = threading.Thread(target=lambda: read.extend(replay))
        self.state.begin().write("a", "k", "1").commit()
        first = next(replay)
        reader.start()
        second = self.state.begin().write("a", "k", "2").commit()
        waiting = self.state.replay(follow=True, resume_token=first.resume_token)
        self.assertEqual(second.revision, next(waiting).revision)
        waiting.close()
        self.assertEqual([], list(waiting))
        while not read:
            self.assertTrue(reader.is_alive())
        replay.close()
        reader.join()
        self.assertEqual([second.revision], [event.revision for event in read])

    def test_info(self):
        self.state.begin().write("a", "k", "1").commit()
        info = self.state.info()
        self.assertGreaterEqual(info.newest_revision, 1)
        self.assertEqual("", info.not_serving)


class FailingState:
    """Fails calls as a backend that is being restarted."""

    def __init__(self):
        self.applied = []
        self.resumed = []

    def Apply(self, request, context):
        self.applied.append(request.request_id)
        if len(self.applied) < 3:
            context.abort(grpc.StatusCode.UNAVAILABLE, "gone")
        return pb.CommitResponse(revision=5)

    def Replay(self, request, context):
        self.resumed.append(request.resume_token)
        revision = len(self.resumed)
        yield pb.Event(revision=revision, changes=[pb.Change()], resume_token=f"after {revision}")
        context.abort(grpc.StatusCode.UNAVAILABLE, "gone")


class RetryTest(unittest.TestCase):
    def setUp(self):
        self.service = FailingState()
        server = grpc.server(futures.ThreadPoolExecutor(2))
        pb.add_to_server(self.service, server, "flk.state.v1.State")
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        self.addCleanup(lambda: server.stop(None).wait())
        self.state = StateClient(f"127.0.0.1:{port}")
        self.addCleanup(self.state.close)

    def test_commit_is_tried_again_under_one_request_id(self):
        self.assertEqual(5, self.state.begin().write("a", "k", "1").commit().revision)
        self.assertEqual(3, len(self.service.applied))
        self.assertEqual(1, len(set(self.service.applied)))

    def test_repeated_call_waits_for_the_connection(self):
        waits = []
        apply = self.state._stub.Apply
        self.state._stub.Apply = lambda *args, wait_for_ready, **more: (
            waits.append(wait_for_ready) or apply(*args, wait_for_ready=wait_for_ready, **more))
        self.state.begin().write("a", "k", "1").commit()
        self.assertEqual([False, True, True], waits)

    def test_follower_resumes_after_its_last_event(self):
        with self.state.replay(follow=True) as replay:
            self.assertEqual([1, 2, 3], [next(replay).revision for _ in range(3)])
        self.assertEqual(["", "after 1", "after 2"], self.service.resumed[:3])

    def test_replay_that_does_not_follow_fails(self):
        replay = self.state.replay()
        next(replay)
        with self.assertRaises(Unreachable):
            next(replay)

    def test_nothing_listens(self):
        with StateClient("127.0.0.1:1", timeout=0.3) as nowhere:
            with self.assertRaisesRegex(Unreachable, "UNAVAILABLE"):
                nowhere.get("a", "k")


if __name__ == "__main__":
    unittest.main()
