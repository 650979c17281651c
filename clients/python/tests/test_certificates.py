# SPDX-License-Identifier: Apache-2.0
"""The golden files of the repository, and submissions to the backend at ``FLK_URL``."""

import base64
import hashlib
import json
import os
import socket
import threading
import unittest
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from flk_state import Refused, canonical, pcs_id, sign_ed25519, sign_hmac, submit
from flk_state.certificates import _retry_after_seconds

GOLDEN = Path(__file__).resolve().parents[3] / "verifier-core/src/test/resources/golden"


def lines(name):
    with open(GOLDEN / name, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


class GoldenTest(unittest.TestCase):
    def test_canonical_form_and_signatures(self):
        vectors = lines("canonical.jsonl")
        self.assertEqual(400, len(vectors))
        for vector in vectors:
            with self.subTest(vector["name"]):
                certificate = json.loads(vector["certificate"])
                self.assertEqual(vector["canonical"].encode(), canonical(certificate))
                self.assertEqual(vector["hmac"], sign_hmac(certificate, vector["hmac_key"])["sig"])
                public = Ed25519PublicKey.from_public_bytes(base64.b64decode(vector["ed25519_pub"]))
                digest = hashlib.sha256(canonical(certificate)).digest()
                public.verify(base64.b64decode(vector["ed25519"]), digest)

    def test_ids_of_accepted_certificates(self):
        accepted = [line for line in lines("outcomes.jsonl") if line["status"] == 200]
        for line in accepted:
            with self.subTest(line["name"]):
                certificate = json.loads(line["certificate"])
                found = pcs_id(certificate["merkle_root"], certificate["epoch"], certificate["shard_id"])
                self.assertEqual(certificate["pcs_id"], found)

    def test_ed25519(self):
        key = Ed25519PrivateKey.generate()
        certificate = json.loads(lines("canonical.jsonl")[0]["certificate"])
        signed = sign_ed25519(certificate, key)
        digest = hashlib.sha256(canonical(certificate)).digest()
        key.public_key().verify(base64.b64decode(signed["sig"]), digest)


class SentAtTest(unittest.TestCase):
    def test_time_of_sending_is_added_if_it_is_missing(self):
        certificate = json.loads(lines("canonical.jsonl")[0]["certificate"])
        certificate.pop("sent_at", None)
        signed = sign_hmac(certificate, "secret")
        self.assertRegex(signed["sent_at"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        again = sign_hmac({**certificate, "sent_at": "2026-01-31T12:00:00Z"}, "secret")
        self.assertEqual(("2026-01-31T12:00:00Z", signed["sig"]), (again["sent_at"], again["sig"]))


class RetryTest(unittest.TestCase):
    """A server that answers as it is told."""

    def serve(self, *answers):
        received = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                received.append(self.rfile.read(int(self.headers["Content-Length"])))
                status, headers, body = answers[min(len(received), len(answers)) - 1]
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(json.dumps(body).encode())

            def log_message(self, *args):
                pass

        server = HTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return f"http://127.0.0.1:{server.server_port}", received

    CERTIFICATE = {"pcs_id": "a", "epoch": 1}
    SENT = b'{"pcs_id":"a","epoch":1}'
    OUTCOME = {"pcs_id": "a", "accepted": False, "escalated": True, "reason": "r", "policy": "p"}

    def test_503_is_tried_again_with_the_same_bytes(self):
        url, received = self.serve(
            (503, {"Retry-After": "1"}, {"error": "later"}),
            (202, {"X-Flk-Duplicate": "true"}, self.OUTCOME),
        )
        outcome = submit(url, self.CERTIFICATE)
        self.assertEqual([self.SENT] * 2, received)
        self.assertEqual((True, "r", True, False), (
            outcome.is_escalated, outcome.reason, outcome.is_duplicate, outcome.is_conflict))

    def test_503_until_the_timeout(self):
        url, _ = self.serve((503, {"Retry-After": "60"}, {"error": "later"}))
        with self.assertRaisesRegex(Refused, "503: later"):
            submit(url, {}, timeout=5)

    def test_retry_after_as_a_time_counts_from_the_date_of_the_answer(self):
        def answer(retry_after):
            return {"Date": "Wed, 21 Oct 2026 07:28:00 GMT", "Retry-After": retry_after}

        self.assertEqual(120.0, _retry_after_seconds(answer("Wed, 21 Oct 2026 07:30:00 GMT")))
        self.assertEqual(-60.0, _retry_after_seconds(answer("Wed, 21 Oct 2026 07:27:00 GMT")))
        self.assertEqual(7.0, _retry_after_seconds(answer("7")))
        self.assertEqual(0.0, _retry_after_seconds(answer("soon")))
        self.assertEqual(0.0, _retry_after_seconds({"Retry-After": "Wed, 21 Oct 2026 07:30:00 GMT"}))
        self.assertEqual(0.0, _retry_after_seconds({}))

    def test_refusal_with_the_mark_is_not_tried_again(self):
        marked = {"error": "wrong", "body_sha256": hashlib.sha256(self.SENT).hexdigest()}
        url, received = self.serve((401, {}, marked))
        with self.assertRaisesRegex(Refused, "401: wrong") as refused:
            submit(url, self.CERTIFICATE)
        self.assertEqual(401, refused.exception.status)
        self.assertEqual(json.dumps(marked), refused.exception.answer)
        self.assertEqual(1, len(received))

    def test_what_the_agent_sends_again_is_tried_again(self):
        other = {"error": "wrong", "body_sha256": hashlib.sha256(b"other").hexdigest()}
        for status, body in (400, {"error": "?"}), (401, other), (404, {}), (408, {"error": "slow"}), (413, {}), \
                (429, {"error": "Too many requests"}), (500, {"error": "log append failed"}), (502, {}), (204, {}):
            with self.subTest(status):
                url, received = self.serve((status, {}, body), (202, {}, self.OUTCOME))
                self.assertTrue(submit(url, self.CERTIFICATE).is_escalated)
                self.assertEqual([self.SENT] * 2, received)

    def test_redirect_is_not_followed(self):
        target, received = self.serve((202, {}, self.OUTCOME))
        for status in 301, 302, 303, 307, 308:
            with self.subTest(status):
                url, _ = self.serve((status, {"Location": target + "/v1/pcs/submit"}, {}))
                with self.assertRaisesRegex(Refused, str(status)):
                    submit(url, self.CERTIFICATE, timeout=0.3)
        self.assertEqual([], received)

    def test_answer_that_is_no_outcome_of_this_certificate(self):
        for status, change in (
            (202, {"pcs_id": "b"}),
            (202, {"pcs_id": None}),
            (202, {"accepted": "no"}),
            (202, {"escalated": 1}),
            (202, {"reason": {}}),
            (202, {"accepted": True, "escalated": False}),
            (200, {}),
        ):
            with self.subTest(status=status, change=change):
                url, _ = self.serve((status, {}, {**self.OUTCOME, **change}))
                with self.assertRaises(Refused) as refused:
                    submit(url, self.CERTIFICATE, timeout=0.3)
                self.assertEqual(status, refused.exception.status)
                self.assertTrue(refused.exception.answer.startswith('{"pcs_id": '))

    def test_message_has_no_control_characters(self):
        url, _ = self.serve((503, {}, {"error": "\x1b[31m\u202e\x9b"}))
        with self.assertRaises(Refused) as refused:
            submit(url, self.CERTIFICATE, timeout=0.3)
        self.assertEqual("503: \ufffd[31m\ufffd\ufffd", str(refused.exception))

    def test_nothing_listens(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            with self.assertRaises(Refused) as refused:
                submit(f"http://127.0.0.1:{free.getsockname()[1]}", {}, timeout=0.1)
        self.assertEqual(0, refused.exception.status)

    def test_url_that_is_none(self):
        for url in "localhost:8080", "file:///etc/passwd", "http://", "http://localhost:port", "":
            with self.subTest(url), self.assertRaises(ValueError):
                submit(url, self.CERTIFICATE)


class HostileServerTest(unittest.TestCase):
    """Answers that do not end, or are not what they claim to be."""

    OK = b"HTTP/1.1 200 OK\r\n"
    CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"

    def hostile(self, beginning, repeated, pause):
        """Serves one answer after the other, and counts the bytes of each."""
        listener = socket.create_server(("127.0.0.1", 0))
        counts = []

        def serve():
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return  # the test has ended
                counts.append(0)
                with client:
                    try:
                        client.recv(1 << 16)
                        client.sendall(beginning)
                        while repeated and not ended.wait(pause):
                            client.sendall(repeated)
                            counts[-1] += len(repeated)
                    except OSError:
                        pass  # the client has closed the connection

        ended = threading.Event()
        thread = threading.Thread(target=serve)
        thread.start()

        def end():
            ended.set()
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
            thread.join()

        self.addCleanup(end)
        return f"http://127.0.0.1:{listener.getsockname()[1]}", counts

    def assert_refused(self, name, beginning, repeated, pause=None):
        with self.subTest(name):
            url, counts = self.hostile(beginning, repeated, pause)
            with self.assertRaises(Refused):
                submit(url, {"pcs_id": "a"}, timeout=0.3)
            # less than the buffers of the kernel and the limit
            self.assertLess(max(counts), 12 << 20)

    def test_answer_without_end(self):
        for name, beginning, repeated in (
            ("body with a length", self.OK + b"Content-Length: 99999999999\r\n\r\n", b"x"),
            ("body without a length", self.OK + b"\r\n", b" "),
            ("error", b"HTTP/1.1 500 Internal Server Error\r\n\r\n", b"x"),
            ("chunks", self.CHUNKED, b"1\r\na\r\n"),
            ("the size of a chunk", self.CHUNKED, b"0"),
            ("trailers", self.CHUNKED + b"0\r\n", b"a: b\r\n"),
            ("status line", b"HTTP/1.1 200 ", b"x"),
            ("header", self.OK + b"a: ", b"x"),
            ("headers", self.OK, b"a: b\r\n"),
            ("interim answers", b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
            ("no HTTP", b"SSH-2.0-OpenSSH_9.2\r\n", b"x"),
        ):
            self.assert_refused(name, beginning, repeated * 10_000)

    def test_slow_answer(self):
        for name, beginning, repeated in (
            ("body", self.OK + b"Content-Length: 99999\r\n\r\n", b"x"),
            ("headers", self.OK, b"a: b\r\n"),
            ("interim answers", b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        ):
            self.assert_refused(name, beginning, repeated, pause=0.05)

    def test_body_that_is_no_outcome(self):
        for body in (
            b"", b"null", b"[]", b'"a"', b"<html>", b"{", b"[" * 60_000, b'{"a":' * 20_000, b"\xff", b"1" * 9_000,
            b'{"pcs_id":"a","pcs_id":"a","accepted":true,"escalated":false}',
        ):
            with self.subTest(body[:20]):
                head = self.OK + b"Content-Length: %d\r\n\r\n" % len(body)
                self.assert_refused(body[:20], head + body, b"")

    def test_head_that_is_wrong(self):
        for head in b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", b"HTTP/9 abc\r\n\r\n", b"\0\r\n\r\n", \
                self.CHUNKED + b"-5\r\n", self.CHUNKED + b"g\r\n", b"HTTP/1.1 101 Switching\r\n\r\n":
            self.assert_refused(head, head, b"")


@unittest.skipUnless("FLK_URL" in os.environ, "FLK_URL is not set: needs a backend with the golden key")
class BackendTest(unittest.TestCase):
    def test_golden_certificate_is_accepted_once(self):
        line = next(line for line in lines("outcomes.jsonl") if line["status"] == 200)
        certificate = json.loads(line["certificate"])
        unsigned = {name: value for name, value in certificate.items() if name != "sig"}
        without_time = {name: value for name, value in unsigned.items() if name != "sent_at"}
        signed = sign_hmac(unsigned, line["hmac_key"])
        first = submit(os.environ["FLK_URL"], signed)
        again = submit(os.environ["FLK_URL"], signed)
        self.assertEqual(json.loads(line["body"]), first.body)
        self.assertEqual((True, False, True), (first.is_accepted, first.is_duplicate, again.is_duplicate))
        self.assertTrue(submit(os.environ["FLK_URL"], sign_hmac(without_time, line["hmac_key"])).is_duplicate)
        with self.assertRaises(Refused) as refused:
            submit(os.environ["FLK_URL"], sign_hmac({**unsigned, "epoch": 7}, "another secret"))
        self.assertEqual(401, refused.exception.status)


if __name__ == "__main__":
    unittest.main()
