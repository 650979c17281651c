# SPDX-License-Identifier: Apache-2.0
"""A client with the names of Statehouse, on top of ``flk_state``."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from importlib.metadata import version as _installed
from types import TracebackType
from typing import Any, Optional, Union

import grpc

import flk_state
from flk_state import protocol as pb
from flk_state.client import _duration
from flk_state.errors import REJECTIONS, TRANSIENT
from flk_state.values import json_text
from statehouse.exceptions import (
    AuthenticationError,
    ConflictError,
    ConnectionError,
    NotFoundError,
    StatehouseError,
    TransactionError,
    TransactionNotFoundError,
)

__version__ = _installed("flk-state")

DEFAULT_NAMESPACE = "default"
_TRANSACTION_SECONDS = 30.0

Time = Union[datetime, str]
"""A time with its zone, also as a text such as ``2026-01-31T12:00:00Z``."""

Metadata = Union[Mapping[str, str], Sequence[tuple[str, str]]]
"""Metadata of calls, such as ``[("authorization", "Bearer …")]``."""


@dataclass(frozen=True)
class StateResult:
    """A version of a value. ``revision`` and ``timestamp`` are those of its commit. ``json`` is the text that was
    written, with all digits of its numbers."""

    value: Any
    version: int
    revision: int
    timestamp: datetime
    json: str


class OperationType(Enum):
    WRITE = "WRITE"
    DELETE = "DELETE"


@dataclass(frozen=True)
class Operation:
    """A version of a key that a transaction created; ``value`` is None for a deletion."""

    type: OperationType
    namespace: str
    agent_id: str
    key: str
    version: int
    value: Any


@dataclass(frozen=True)
class Event:
    """A committed transaction. A replay with ``resume_token`` continues after it."""

    timestamp: datetime
    operations: tuple[Operation, ...]
    revision: int
    resume_token: str


@dataclass(frozen=True)
class Health:
    """The health of the backend's state. ``reason`` says why no commit succeeds; empty if it is serving."""

    is_serving: bool
    reason: str
    revision: int


@dataclass(frozen=True)
class Version:
    """The version of this package, and the engine, format and history of the backend's state."""

    client: str
    engine: str
    format: int
    history_id: str


class Statehouse:
    """A client of the state of agents. Create one and use it for all calls, from any thread.

    ``url`` is host and port, such as ``localhost:50051``. With ``https://`` before it, or with ``credentials`` (from
    ``grpc.ssl_channel_credentials``), the connection has TLS. ``metadata`` is sent with each call.

    The first call waits ``connect_timeout`` seconds for the backend. Later ones are repeated until ``timeout`` if the
    backend can't be reached or is starting. A repeated commit takes effect only once.

    ``parse_float`` reads numbers with a decimal point, as in ``json.loads``: with ``Decimal``, no digit is lost."""

    def __init__(
        self,
        url: str = "localhost:50051",
        metadata: Optional[Metadata] = None,
        *,
        credentials: Optional[grpc.ChannelCredentials] = None,
        timeout: float = 30.0,
        connect_timeout: float = 5.0,
        parse_float: Optional[Callable[[str], Any]] = None,
    ):
        scheme, _, target = url.rpartition("://")
        if scheme not in ("", "http", "https"):
            raise ValueError(f"the URL is host and port, or begins with http:// or https://: {url}")
        if scheme == "https" and credentials is None:
            credentials = grpc.ssl_channel_credentials()
        self.url = target.rstrip("/")
        self._connect_timeout = min(connect_timeout, timeout)
        self._parse_float = parse_float
        self._is_connected = False
        self._state = flk_state.StateClient(
            self.url, credentials=credentials, metadata=_pairs(metadata), timeout=timeout
        )

    def begin_transaction(
        self, timeout_ms: Optional[int] = None, metadata: Optional[Metadata] = None
    ) -> Transaction:
        """Begins a transaction, which is committed at the end of a ``with`` block, or aborted by an exception.

        A commit fails if it is called after the timeout, 30 seconds unless ``timeout_ms`` is given, which may not be
        above ``STATE_TX_TIMEOUT`` of the backend. ``metadata`` is sent with the commit."""
        state = self._state.with_metadata(_pairs(metadata))
        seconds = _TRANSACTION_SECONDS
        if timeout_ms is not None:
            seconds = timeout_ms / 1_000
            with self._call(TransactionError):
                timeout = _duration(timedelta(seconds=seconds))
                begun = state._call(state._stub.Begin, pb.BeginRequest(timeout=timeout))
            # the operations are kept here, so the backend need not hold the transaction
            with suppress(flk_state.StateError):
                state._call(state._stub.Abort, pb.AbortRequest(tx_id=begun.tx_id))
        return Transaction(self, state, seconds)

    def write(
        self,
        agent_id: str,
        key: str,
        value: Any,
        namespace: str = DEFAULT_NAMESPACE,
        ttl: Union[float, timedelta, None] = None,
        *,
        if_version: Optional[int] = None,
    ) -> flk_state.Commit:
        """Commits one write; see ``Transaction.write``."""
        transaction = self.begin_transaction()
        transaction.write(agent_id, key, value, namespace, ttl, if_version=if_version)
        return transaction.commit()

    def delete(
        self, agent_id: str, key: str, namespace: str = DEFAULT_NAMESPACE, *, if_version: Optional[int] = None
    ) -> flk_state.Commit:
        """Commits one deletion; see ``Transaction.delete``."""
        transaction = self.begin_transaction()
        transaction.delete(agent_id, key, namespace, if_version=if_version)
        return transaction.commit()

    def get_state(
        self, agent_id: str, key: str, namespace: str = DEFAULT_NAMESPACE
    ) -> Optional[StateResult]:
        """Returns the current value, or None if the key does not exist."""
        with self._call():
            return self._result(self._state.namespace(namespace).get(agent_id, key))

    def get_state_at_version(
        self, agent_id: str, key: str, version: int, namespace: str = DEFAULT_NAMESPACE
    ) -> Optional[StateResult]:
        """Returns a version of the value, or None if it does not exist, is no longer kept, or is a deletion."""
        with self._call():
            return self._result(self._state.namespace(namespace).get(agent_id, key, version=version))

    def list_keys(self, agent_id: str, namespace: str = DEFAULT_NAMESPACE) -> list[str]:
        """Returns the keys of an agent, in order."""
        return self.scan_prefix(agent_id, "", namespace)

    def scan_prefix(self, agent_id: str, prefix: str, namespace: str = DEFAULT_NAMESPACE) -> list[str]:
        """Returns the keys of an agent that begin with a prefix, in order."""
        with self._call():
            return list(self._state.namespace(namespace).keys(agent_id, prefix))

    def replay(
        self,
        agent_id: str = "",
        namespace: str = DEFAULT_NAMESPACE,
        from_timestamp: Optional[Time] = None,
        to_timestamp: Optional[Time] = None,
        *,
        resume_token: str = "",
        follow: bool = False,
    ) -> Iterator[Event]:
        """Yields the committed transactions of an agent, or of all, in order, from the first time to before the
        second.

        A replay from the ``timestamp`` of an event begins with that event; one with its ``resume_token`` begins after
        it. With ``follow``, the iterator waits for new commits."""
        for name, point in (("from_timestamp", from_timestamp), ("to_timestamp", to_timestamp)):
            if not isinstance(point, (datetime, str, type(None))):
                raise TypeError(f"{name} is a datetime, or a text such as 2026-01-31T12:00:00Z: {point!r}")
        replay = self._state.namespace(namespace).replay(
            agent_id, start=from_timestamp, end=to_timestamp, resume_token=resume_token, follow=follow
        )
        return self._events(replay)

    def health(self) -> Health:
        with self._call():
            info = self._state.info()
        return Health(not info.not_serving, info.not_serving, info.newest_revision)

    def version(self) -> Version:
        with self._call():
            info = self._state.info()
        return Version(__version__, info.engine, info.format, info.history_id)

    def close(self) -> None:
        """Closes the connection and ends every replay on it."""
        self._state.close()

    def __enter__(self) -> Statehouse:
        return self

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        problem: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.close()

    def _events(self, replay: flk_state.Replay) -> Iterator[Event]:
        with replay, self._call():
            for event in replay:
                operations = tuple(
                    Operation(
                        OperationType.DELETE if change.is_deleted else OperationType.WRITE,
                        change.namespace,
                        change.agent_id,
                        change.key,
                        change.version,
                        self._value(change.json),
                    )
                    for change in event.changes
                )
                yield Event(event.committed_at, operations, event.revision, event.resume_token)

    def _result(self, found: Optional[flk_state.Version]) -> Optional[StateResult]:
        if found is None or found.is_deleted:
            return None
        value = self._value(found.json)
        return StateResult(value, found.version, found.revision, found.committed_at, found.json)

    def _value(self, text: str) -> Any:
        return json.loads(text, parse_float=self._parse_float) if text else None

    @contextmanager
    def _call(self, rejected: type[StatehouseError] = StatehouseError) -> Iterator[None]:
        """Connects before the first call, and raises the errors of calls as exceptions of this package. Rejections
        for the contents of the call are of the given type."""
        self._connect()
        try:
            yield
        except flk_state.Unreachable as e:
            raise ConnectionError(f"Connection lost: {self.url} does not answer: {e}") from e
        except TRANSIENT as e:
            raise ConnectionError(str(e)) from e
        except (flk_state.Unauthenticated, flk_state.Forbidden) as e:
            raise AuthenticationError(str(e)) from e
        except flk_state.VersionConflict as e:
            raise ConflictError(str(e)) from e
        except (flk_state.Compacted, flk_state.HistoryChanged) as e:
            raise NotFoundError(str(e)) from e
        except flk_state.StateError as e:
            raise rejected(str(e)) from e

    def _connect(self) -> None:
        if self._is_connected:
            return
        check = self._state._channel.unary_unary("/grpc.health.v1.Health/Check")
        try:
            check(b"", timeout=self._connect_timeout, wait_for_ready=True)
        except grpc.RpcError as e:
            # any other answer shows that there is a connection
            if e.code() == grpc.StatusCode.DEADLINE_EXCEEDED:
                raise ConnectionError(
                    f"Failed to connect to {self.url}: is the backend running (./flk backend), and is this its"
                    " STATE_PORT?"
                ) from None
        self._is_connected = True


class Transaction:
    """Operations that are committed together or not at all, over any agents and namespaces. They are kept here until
    ``commit`` sends them in one call. For one thread."""

    def __init__(self, client: Statehouse, state: flk_state.StateClient, seconds: float):
        self._client = client
        self._seconds = seconds
        self._expires_at = time.monotonic() + seconds
        self._transaction = state.begin()
        self._has_begun_to_commit = False
        self._is_committed = False
        self._is_over = False

    def write(
        self,
        agent_id: str,
        key: str,
        value: Any,
        namespace: str = DEFAULT_NAMESPACE,
        ttl: Union[float, timedelta, None] = None,
        *,
        if_version: Optional[int] = None,
    ) -> None:
        """Writes any value that JSON can express; a ``Decimal`` keeps all its digits. After the lifetime ``ttl``, in
        seconds, the key is deleted. The commit fails if the key does not have the version ``if_version``; 0 means
        that it does not exist."""
        lifetime = ttl if ttl is None or isinstance(ttl, timedelta) else timedelta(seconds=ttl)
        self._require_open()
        self._transaction.write(
            agent_id, key, json_text(value), if_version=if_version, ttl=lifetime, namespace=namespace
        )

    def delete(
        self, agent_id: str, key: str, namespace: str = DEFAULT_NAMESPACE, *, if_version: Optional[int] = None
    ) -> None:
        """Deletes a key; has no effect if it does not exist."""
        self._require_open()
        self._transaction.delete(agent_id, key, if_version=if_version, namespace=namespace)

    def commit(self) -> flk_state.Commit:
        """Makes all operations durable and visible, or none. After ``ConnectionError``, it may be called again."""
        self._require_open(again=True)
        self._client._connect()
        self._has_begun_to_commit = True
        try:
            with self._client._call(TransactionError):
                committed = self._transaction.commit()
        except StatehouseError as e:
            self._is_over = isinstance(e.__cause__, REJECTIONS)
            raise
        except RuntimeError as e:
            raise TransactionError(str(e)) from e
        self._is_committed = True
        return committed

    def abort(self) -> None:
        """Discards the operations. A transaction that was aborted or has expired may be aborted again."""
        if self._is_committed:
            raise TransactionError("Transaction already committed")
        self._is_over = True

    def _require_open(self, again: bool = False) -> None:
        if self._is_committed:
            raise TransactionError("Transaction already committed")
        if self._is_over:
            raise TransactionNotFoundError("Transaction not found: it was aborted, or its commit was rejected")
        if self._has_begun_to_commit:
            if again:
                return
            raise TransactionError("The outcome of the commit is unknown: call commit again")
        if time.monotonic() > self._expires_at:
            raise TransactionError(
                f"Transaction expired: it was open for more than {self._seconds:g} s; do slow work before it begins"
            )

    def __enter__(self) -> Transaction:
        return self

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        problem: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        if self._is_committed or self._is_over:
            return
        if kind is None:
            self.commit()
        else:
            self.abort()


def _pairs(metadata: Optional[Metadata]) -> list[tuple[str, str]]:
    pairs = metadata.items() if isinstance(metadata, Mapping) else metadata or ()
    return [(name.lower(), value) for name, value in pairs]
