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

    OUTCOME = {"pcs_id": "a", "accepted": False, "escalated": True, "reason": "r", "policy": "p"}

    def test_503_is_tried_again_with_the_same_bytes(self):
        url, received = self.serve(
            (503, {"Retry-After": "1"}, {"error": "later"}),
            (202, {"X-Flk-Duplicate": "true"}, self.OUTCOME),
        )
        outcome = submit(url, {"epoch": 1})
        self.assertEqual([b'{"epoch":1}'] * 2, received)
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

    def test_refusal_is_not_tried_again(self):
        url, received = self.serve((401, {}, {"error": "wrong"}))
        with self.assertRaisesRegex(Refused, "401: wrong") as refused:
            submit(url, {})
        self.assertEqual(401, refused.exception.status)
        self.assertEqual(1, len(received))

    def test_nothing_listens(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            with self.assertRaises(OSError):
                submit(f"http://127.0.0.1:{free.getsockname()[1]}", {}, timeout=0.1)


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
