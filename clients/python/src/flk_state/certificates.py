# SPDX-License-Identifier: Apache-2.0
"""Signs certificates and sends them to a backend. Nothing is kept on disk; the agent does that."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import io
import json
import random
import socket
import ssl
import time
import urllib.parse
import urllib.request
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Mapping, Optional

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_TEXTS = ("merkle_root", "pcs_id", "shard_id")
_REALS = ("D_hat", "budget", "coh_star", "r")
_INITIAL_BACKOFF_SECONDS = 0.2
_MAX_BACKOFF_SECONDS = 5.0
_MAX_ANSWER_BYTES = 128 << 10
_SHOWN_BYTES = 200


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
    """There is no outcome: the backend has refused the certificate, or no answer until the timeout was provably the
    backend's. ``status`` is the status of the last answer, 0 if none arrived, and ``answer`` is how its body begins."""

    def __init__(self, status: int, message: str, answer: str = ""):
        super().__init__(f"{status}: {message}" if status else message)
        self.status = status
        self.answer = answer


@dataclass(frozen=True)
class _Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        """Returns the JSON object of the body; an empty one for any other body."""
        try:
            parsed = json.loads(self.body, object_pairs_hook=_without_duplicates)
        except (ValueError, RecursionError):
            return {}
        return parsed if isinstance(parsed, dict) else {}

    def outcome(self, id: Any) -> Optional[Outcome]:
        """Returns the outcome of the certificate with this id; None if the answer is something else."""
        body = self.json()
        accepted, escalated, reason = body.get("accepted"), body.get("escalated"), body.get("reason")
        if (
            not isinstance(accepted, bool)
            or not isinstance(escalated, bool)
            or not isinstance(reason, (str, type(None)))
            or self.status != (200 if accepted and not escalated else 202)
            or body.get("pcs_id") != id
        ):
            return None
        return Outcome(
            id,
            accepted,
            escalated,
            reason,
            self.headers.get("X-Flk-Duplicate") == "true",
            self.headers.get("X-Flk-Conflict") == "true",
            body,
        )

    def is_final(self, sent: bytes) -> bool:
        """Returns whether the backend has refused exactly these bytes, so that they can never succeed."""
        body = self.json()
        return (
            self.status in (400, 401, 413)
            and isinstance(body.get("error"), str)
            and body.get("body_sha256") == hashlib.sha256(sent).hexdigest()
            and body.get("body_bytes", len(sent)) == len(sent)
        )

    def refused(self) -> Refused:
        start = self.body[:_SHOWN_BYTES].decode(errors="replace")
        error = self.json().get("error")
        message = error[:_SHOWN_BYTES] if isinstance(error, str) else start
        return Refused(self.status, "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in message), start)


def _without_duplicates(members: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(members)
    if len(found) < len(members):
        raise ValueError("a repeated member")
    return found


def submit(
    url: str, certificate: Mapping[str, Any], *, timeout: float = 30.0, tls: Optional[ssl.SSLContext] = None
) -> Outcome:
    """Sends a signed certificate and returns its outcome, which the backend has on disk.

    ``url`` is that of the backend, such as ``http://localhost:8080``. The function tries again until ``timeout``, in
    seconds, unless the backend has refused the certificate: if the backend can't be reached, after any answer that is
    not provably the backend's, such as a proxy's, and after 408, 429, 500 and 503, then after the time that the answer
    asks for. All tries send the same bytes, and a backend decides once. A look-up of the host's name may exceed the
    timeout.

    Raises ``Refused`` if there is no outcome. If its ``status`` is not 400, 401 or 413, the certificate may have been
    recorded: send it again later. Raises ``ValueError`` for a URL or a certificate that can't be sent."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
        raise ValueError(f"the URL begins with http:// or https:// and a host: {url}")
    body = json.dumps(certificate, allow_nan=False, separators=(",", ":")).encode("ascii")
    digest = base64.b64encode(hashlib.sha256(body).digest()).decode("ascii")
    request = urllib.request.Request(
        url.rstrip("/") + "/v1/pcs/submit",
        data=body,
        headers={"Content-Type": "application/json", "Content-Digest": f"sha-256=:{digest}:"},
        method="POST",
    )
    end = time.monotonic() + timeout
    # an answer quotes at most the certificate, in which a character may become an escape of six
    limits = _Limits(end, _MAX_ANSWER_BYTES + 6 * len(body))
    backoff = _INITIAL_BACKOFF_SECONDS
    while True:
        wait = random.uniform(backoff / 2, backoff)
        try:
            answer = _exchange(request, limits, tls)
        except (OSError, http.client.HTTPException, ValueError) as e:
            failure = Refused(0, f"no answer from {url}: {getattr(e, 'reason', None) or repr(e)}")
            failure.__cause__ = e
        else:
            outcome = answer.outcome(certificate.get("pcs_id")) if answer.status in (200, 202) else None
            if outcome:
                return outcome
            failure = answer.refused()
            if answer.is_final(body):
                raise failure
            wait = max(wait, _retry_after_seconds(answer.headers))
        if time.monotonic() + wait >= end:
            raise failure
        time.sleep(wait)
        backoff = min(_MAX_BACKOFF_SECONDS, 2 * backoff)


def _exchange(request: urllib.request.Request, limits: _Limits, tls: Optional[ssl.SSLContext]) -> _Answer:
    """Sends a request and returns its answer, whatever its status is."""
    opener = urllib.request.build_opener(_AnyStatus, _Http(limits), _Https(limits, tls))
    with opener.open(request, timeout=limits.seconds()) as answer:
        return _Answer(answer.status, answer.headers, answer.read(limits.bytes + 1))


@dataclass(frozen=True)
class _Limits:
    """The end of a submission, in monotonic time, and the number of bytes that an answer may have, with its head."""

    end: float
    bytes: int

    def seconds(self) -> float:
        left = self.end - time.monotonic()
        if left <= 0:
            raise TimeoutError("the time has elapsed")
        return left


class _AnyStatus(urllib.request.HTTPErrorProcessor):
    """Follows no redirect, and returns answers with any status."""

    def http_response(self, request: Any, response: Any) -> Any:
        return response

    https_response = http_response


class _Http(urllib.request.HTTPHandler):
    def __init__(self, limits: _Limits):
        super().__init__()
        self._limits = limits

    def http_open(self, request: urllib.request.Request) -> Any:
        return self.do_open(partial(_Connection, limits=self._limits), request)


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, limits: _Limits, tls: Optional[ssl.SSLContext]):
        super().__init__()
        self._limits = limits
        self._tls = tls

    def https_open(self, request: urllib.request.Request) -> Any:
        return self.do_open(partial(_TlsConnection, limits=self._limits), request, context=self._tls)


class _Limited:
    """Limits the time and the bytes of a connection, not only the time of each of its reads."""

    def __init__(self, host: str, *, limits: _Limits, **options: Any):
        super().__init__(host, **options)
        self._limits = limits
        self._create_connection = self._connected

    def _connected(self, address: tuple[str, int], *unused: Any) -> socket.socket:
        failure: OSError = OSError(f"no address of {address[0]}")
        for family, kind, protocol, _, found in socket.getaddrinfo(*address, type=socket.SOCK_STREAM):
            connection = socket.socket(family, kind, protocol)
            try:
                connection.settimeout(self._limits.seconds())
                connection.connect(found)
                return connection
            except OSError as e:
                connection.close()
                failure = e
        raise failure

    def connect(self) -> None:
        super().connect()  # type: ignore[misc]
        self.sock = _LimitedSocket(self.sock, self._limits)


class _Connection(_Limited, http.client.HTTPConnection):
    pass


class _TlsConnection(_Limited, http.client.HTTPSConnection):
    pass


class _LimitedSocket:
    """The part of a socket that ``http.client`` uses for one exchange. Its reader closes it."""

    def __init__(self, connection: socket.socket, limits: _Limits):
        self._connection = connection
        self._limits = limits
        self._is_read = False

    def sendall(self, data: bytes) -> None:
        self._connection.settimeout(self._limits.seconds())
        self._connection.sendall(data)

    def makefile(self, mode: str) -> io.BufferedReader:
        self._is_read = True
        return io.BufferedReader(_LimitedReader(self._connection, self._limits))

    def close(self) -> None:
        if not self._is_read:
            self._connection.close()


class _LimitedReader(io.RawIOBase):
    def __init__(self, connection: socket.socket, limits: _Limits):
        super().__init__()
        self._connection = connection
        self._limits = limits
        self._bytes = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._connection.settimeout(self._limits.seconds())
        received = self._connection.recv_into(buffer)
        self._bytes += received
        if self._bytes > self._limits.bytes:
            raise OSError(f"the answer is longer than {self._limits.bytes} bytes")
        return received

    def close(self) -> None:
        self._connection.close()
        super().close()


def _retry_after_seconds(headers: Mapping[str, str]) -> float:
    """Returns the time that an answer asks for. A proxy may name a point in time, which counts from its ``Date``."""
    text = headers.get("Retry-After", "")
    if text.isdecimal():
        return float(text)
    try:
        return (parsedate_to_datetime(text) - parsedate_to_datetime(headers.get("Date", ""))).total_seconds()
    except (TypeError, ValueError, OverflowError):
        return 0.0
