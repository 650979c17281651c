# SPDX-License-Identifier: Apache-2.0
"""Signs certificates and sends them to a backend. Nothing is kept on disk; the agent does that."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import random
import ssl
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Mapping, Optional

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_TEXTS = ("merkle_root", "pcs_id", "shard_id")
_REALS = ("D_hat", "budget", "coh_star", "r")
_INITIAL_BACKOFF_SECONDS = 0.2
_MAX_BACKOFF_SECONDS = 5.0
_RETRIED = (429, 503)


def pcs_id(merkle_root: str, epoch: int, shard_id: str) -> str:
    """Returns the id of a certificate."""
    return hashlib.sha256(f"{merkle_root}|{epoch}|{shard_id}".encode()).hexdigest()


def canonical(certificate: Mapping[str, Any]) -> bytes:
    """Returns the bytes that a signature covers; see docs/wire-format.md, Signed bytes."""
    signed: dict[str, Any] = {name: certificate[name] for name in _TEXTS}
    signed["epoch"] = certificate["epoch"]
    for name in _REALS:
        signed[name] = round(float(certificate[name]), 9)
    return json.dumps(signed, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")


def sign_hmac(certificate: Mapping[str, Any], secret: str) -> dict[str, Any]:
    """Returns a signed copy of a certificate, with the current time as ``sent_at`` if it has none."""
    signature = hmac.new(secret.encode(), canonical(certificate), hashlib.sha256).digest()
    return _signed(certificate, signature)


def sign_ed25519(certificate: Mapping[str, Any], key: Ed25519PrivateKey) -> dict[str, Any]:
    """Returns a signed copy of a certificate, as ``sign_hmac`` does. The key is one of the package ``cryptography``."""
    return _signed(certificate, key.sign(hashlib.sha256(canonical(certificate)).digest()))


def _signed(certificate: Mapping[str, Any], signature: bytes) -> dict[str, Any]:
    # the backend requires the time of sending, which no signature covers
    sent_at = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"sent_at": sent_at, **certificate, "sig": base64.b64encode(signature).decode("ascii")}


@dataclass(frozen=True)
class Outcome:
    """What a backend decided of a certificate. ``body`` is its whole answer. ``is_conflict`` means that the id was
    already decided with other content, so this is not the outcome of what was sent."""

    pcs_id: str
    is_accepted: bool
    is_escalated: bool
    reason: Optional[str]
    is_duplicate: bool
    is_conflict: bool
    body: dict[str, Any]


class Refused(Exception):
    """An answer that is not an outcome, such as 401 for a wrong signature. Nothing was recorded."""

    def __init__(self, status: int, message: str):
        super().__init__(f"{status}: {message}")
        self.status = status


def submit(
    url: str, certificate: Mapping[str, Any], *, timeout: float = 30.0, tls: Optional[ssl.SSLContext] = None
) -> Outcome:
    """Sends a signed certificate and returns its outcome, which the backend has on disk.

    ``url`` is that of the backend, such as ``http://localhost:8080``. The function tries again until ``timeout``, in
    seconds, if the backend can't be reached or answers 429 or 503, after the time that its answer asks for. All tries
    send the same bytes, and a backend decides once.

    Raises ``Refused`` for any other answer, and for 429 or 503 when the time has elapsed; ``OSError`` if the backend
    could not be reached. A certificate may have been recorded even if its answer was lost: send it again later."""
    request = urllib.request.Request(
        url.rstrip("/") + "/v1/pcs/submit",
        data=json.dumps(certificate, allow_nan=False, separators=(",", ":")).encode("ascii"),
        headers={"Content-Type": "application/json"},
        method="POST",
    )
    end = time.monotonic() + timeout
    backoff = _INITIAL_BACKOFF_SECONDS
    while True:
        wait = random.uniform(backoff / 2, backoff)
        failure: Exception
        try:
            with urllib.request.urlopen(request, timeout=max(0.001, end - time.monotonic()), context=tls) as answer:
                return _outcome(json.load(answer), answer.headers)
        except urllib.error.HTTPError as e:
            with e:
                failure = Refused(e.code, _message(e.read()))
            if e.code not in _RETRIED:
                raise failure from None
            wait = max(wait, _retry_after_seconds(e.headers))
        except OSError as e:
            failure = e
        if time.monotonic() + wait >= end:
            raise failure
        time.sleep(wait)
        backoff = min(_MAX_BACKOFF_SECONDS, 2 * backoff)


def _outcome(body: dict[str, Any], headers: Mapping[str, str]) -> Outcome:
    return Outcome(
        body["pcs_id"],
        body["accepted"],
        body["escalated"],
        body.get("reason"),
        headers.get("X-Flk-Duplicate") == "true",
        headers.get("X-Flk-Conflict") == "true",
        body,
    )


def _message(body: bytes) -> str:
    try:
        return str(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        return body.decode(errors="replace")


def _retry_after_seconds(headers: Mapping[str, str]) -> float:
    """Returns the time that an answer asks for. A proxy may name a point in time, which counts from its ``Date``."""
    text = headers.get("Retry-After", "")
    if text.isdecimal():
        return float(text)
    try:
        return (parsedate_to_datetime(text) - parsedate_to_datetime(headers.get("Date", ""))).total_seconds()
    except (TypeError, ValueError):
        return 0.0
