# SPDX-License-Identifier: Apache-2.0
"""A client of the state of agents that a backend serves over gRPC."""

from __future__ import annotations

import json
import random
import threading
import time
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from types import TracebackType
from typing import Any, Callable, Iterator, Literal, Optional, Sequence, Union

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from flk_state import protocol as pb
from flk_state.errors import REJECTIONS, TRANSIENT, error
from flk_state.values import json_text, parse_time

Point = Union[int, datetime, str]
"""A point in history: a revision, or a time with its zone, also as a text such as ``2026-01-31T12:00:00Z``."""

Metadata = Sequence[tuple[str, str]]
"""Metadata of calls: names, in lower case, and their values."""

Order = Literal["key", "newest", "oldest"]
"""The order of what ``find`` finds: by agent and key, or by the time of the commit."""

_ORDERS = {"key": pb.FindRequest.BY_KEY, "newest": pb.FindRequest.NEWEST_FIRST, "oldest": pb.FindRequest.OLDEST_FIRST}
_INITIAL_BACKOFF_SECONDS = 0.1
_MAX_BACKOFF_SECONDS = 2.0
_MAX_MESSAGE_BYTES = 8 << 20
# One minute shorter than the time for which a backend remembers a request id.
_REPEATABLE_SECONDS = 14 * 60.0
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Version:
    """A version of a value. ``json`` is the text that was written, without white space between tokens; empty if
    this version is a deletion."""

    version: int
    revision: int
    committed_at: datetime
    is_deleted: bool
    json: str

    @property
    def value(self) -> Any:
        """The value as ``json.loads`` returns it; None for a deletion."""
        return json.loads(self.json) if self.json else None


@dataclass(frozen=True)
class Match:
    """A key that ``find`` found by its value."""

    agent_id: str
    key: str
    version: Version


@dataclass(frozen=True)
class Change:
    """A version that a transaction created. ``json`` is empty for a deletion. ``ttl`` is the lifetime with which the
    version was written."""

    namespace: str
    agent_id: str
    key: str
    version: int
    is_deleted: bool
    json: str
    ttl: Optional[timedelta] = None


@dataclass(frozen=True)
class Event:
    """A committed transaction: the changes that pass the filter, and the number of changes without it. A replay with
    ``resume_token`` resumes after this event."""

    revision: int
    committed_at: datetime
    changes: tuple[Change, ...]
    operations_total: int
    resume_token: str


@dataclass(frozen=True)
class Commit:
    """A commit. ``revision`` is 0 if nothing was changed. ``versions`` has, for each operation, the version that it
    created, or the current version for an operation that changed nothing."""

    revision: int
    committed_at: datetime
    versions: tuple[int, ...]


@dataclass(frozen=True)
class Info:
    """Information on the state as a whole. ``not_serving`` is the reason why no commit succeeds; empty if there is
    none."""

    engine: str
    history_id: str
    newest_revision: int
    oldest_revision: int
    keys: int
    bytes: int
    not_serving: str
    format: int


class StateClient:
    """A client of one namespace. It connects when the first call is made; any thread may use it, but no process that
    is forked after its creation, since gRPC does not survive a fork: create a client there.

    While the backend can't be reached, is starting, or has a failed storage, the client repeats reads and commits
    until ``timeout``, in seconds. A repeated commit takes effect only once, because all tries carry the same request
    id.

    ``target`` is host and port, such as ``localhost:50051``. ``credentials`` are those of
    ``grpc.ssl_channel_credentials``; without them, the connection has no TLS. A token is sent with each call, so use
    it only with TLS. ``metadata`` is sent with each call, too."""

    def __init__(
        self,
        target: str,
        *,
        namespace: str = "default",
        credentials: Optional[grpc.ChannelCredentials] = None,
        token: Optional[str] = None,
        metadata: Metadata = (),
        timeout: float = 30.0,
    ):
        if timeout <= 0:
            raise ValueError(f"the timeout must be above 0: {timeout}")
        options = [
            ("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES),
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.min_reconnect_backoff_ms", 1_000),
            ("grpc.max_reconnect_backoff_ms", 2_000),
            # otherwise a replay would wait forever if the server disappeared without closing the connection
            ("grpc.keepalive_time_ms", 30_000),
        ]
        self._channel = (
            grpc.secure_channel(target, credentials, options)
            if credentials
            else grpc.insecure_channel(target, options)
        )
        self._stub = pb.Stub(self._channel, "flk.state.v1.State")
        self._care = pb.Stub(self._channel, "flk.state.v1.Care")
        self._metadata = (*metadata, *((("authorization", f"Bearer {token}"),) if token else ()))
        self._timeout = timeout
        self._namespace = namespace

    def namespace(self, name: str) -> StateClient:
        """Returns a client for another namespace on the same connection. Closing one closes the connection of both."""
        other = StateClient.__new__(StateClient)
        other.__dict__.update(self.__dict__)
        other._namespace = name
        return other

    def with_metadata(self, metadata: Metadata) -> StateClient:
        """Returns a client on the same connection that also sends this metadata with each call."""
        other = self.namespace(self._namespace)
        other._metadata = (*self._metadata, *metadata)
        return other

    def begin(self) -> Transaction:
        """Begins a transaction, which is kept in the client until it is committed."""
        return Transaction(self)

    def get(
        self, agent_id: str, key: str, *, at: Optional[Point] = None, version: Optional[int] = None
    ) -> Optional[Version]:
        """Returns the current value, the value at a point in history, or a version of it, which may be a deletion.
        Returns None if there is none or if it is no longer kept."""
        request = pb.GetRequest(keys=[self._key(agent_id, key)], at=_at(at), version=version)
        found = self._call(self._stub.Get, request).found[0]
        is_found = found.state == pb.Found.PRESENT or (version is not None and found.state == pb.Found.DELETED)
        return _version(found.version) if is_found else None

    def history(self, agent_id: str, key: str) -> Iterator[Version]:
        """Yields all versions of a key that are kept, newest first."""
        request = pb.HistoryRequest(key=self._key(agent_id, key))
        for page in self._pages(self._stub.History, request):
            yield from map(_version, page.versions)

    def keys(self, agent_id: str, prefix: str = "", *, at: Optional[Point] = None) -> Iterator[str]:
        """Yields the keys of an agent that begin with a prefix, in order."""
        request = pb.ListKeysRequest(namespace=self._namespace, agent_id=agent_id, prefix=prefix, at=_at(at))
        for page in self._pages(self._stub.ListKeys, request):
            yield from (entry.key for entry in page.entries)

    def agents(self, prefix: str = "") -> Iterator[str]:
        """Yields the agents that begin with a prefix, in order."""
        request = pb.ListAgentsRequest(namespace=self._namespace, prefix=prefix)
        for page in self._pages(self._stub.ListAgents, request):
            yield from page.names

    def namespaces(self, prefix: str = "") -> Iterator[str]:
        """Yields the namespaces that begin with a prefix, have keys and are visible to this client, in order."""
        for page in self._pages(self._stub.ListNamespaces, pb.ListNamespacesRequest(prefix=prefix)):
            yield from page.names

    def find(
        self, json_path: str = "", agent_id: str = "", *, contains: str = "", order: Order = "key"
    ) -> Iterator[Match]:
        """Yields the keys whose newest value matches an SQL/JSON path, contains a JSON document, or both. An empty
        agent selects all agents. The order is that of keys, or of commits. Requires a state in Postgres."""
        request = pb.FindRequest(
            namespace=self._namespace,
            agent_id=agent_id,
            json_path=json_path,
            contains=contains,
            order=_ORDERS[order],
        )
        for page in self._pages(self._stub.Find, request):
            for entry in page.entries:
                yield Match(entry.key.agent_id, entry.key.key, _version(entry.version))

    def delete_prefix(self, agent_id: str, prefix: str, *, if_revision: Optional[int] = None) -> Commit:
        """Deletes all keys of an agent that begin with a prefix (not empty), in one commit of at most 10,000 keys.
        Raises ``VersionConflict`` if one of the keys was written after the revision ``if_revision``."""
        request = pb.DeletePrefixRequest(
            namespace=self._namespace,
            agent_id=agent_id,
            prefix=prefix,
            if_revision=if_revision,
            request_id=str(uuid.uuid4()),
        )
        return _commit(self._call(self._stub.DeletePrefix, request))

    def delete_agent(self, agent_id: str, *, if_revision: Optional[int] = None) -> Commit:
        """Deletes all keys of an agent, as ``delete_prefix`` does."""
        request = pb.DeleteAgentRequest(
            namespace=self._namespace, agent_id=agent_id, if_revision=if_revision, request_id=str(uuid.uuid4())
        )
        return _commit(self._call(self._stub.DeleteAgent, request))

    def info(self) -> Info:
        info = self._call(self._stub.Info, pb.InfoRequest())
        return Info(
            info.engine,
            info.history_id,
            info.newest_revision,
            info.oldest_revision,
            info.keys,
            info.bytes,
            info.not_serving,
            info.format,
        )

    def replay(
        self,
        agent_id: str = "",
        *,
        start: Optional[Point] = None,
        end: Optional[Point] = None,
        resume_token: str = "",
        follow: bool = False,
    ) -> Replay:
        """Returns the events of the namespace, or of one agent, in order, from ``start`` to before ``end``. By
        default, it begins with the oldest event that is kept, or after the event with ``resume_token``.

        A replay that follows waits for new commits, and resumes after its last event if the connection is lost. It
        ends when any thread closes it."""
        request = pb.ReplayRequest(
            namespace=self._namespace,
            agent_id=agent_id,
            to=_at(end),
            resume_token=resume_token,
            follow=follow,
            progress=follow,
        )
        if start is not None:
            getattr(request, "from").CopyFrom(_at(start))

        def call(is_again: bool) -> Any:
            return self._stub.Replay(request, metadata=self._metadata, wait_for_ready=is_again)

        return Replay(call, request)

    def close(self) -> None:
        """Closes the connection and ends every replay on it."""
        self._channel.close()

    def __enter__(self) -> StateClient:
        return self

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        problem: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.close()

    def _key(self, agent_id: str, key: str, namespace: Optional[str] = None) -> pb.Key:
        return pb.Key(namespace=namespace or self._namespace, agent_id=agent_id, key=key)

    def _pages(self, call: Callable[..., Any], request: Any) -> Iterator[Any]:
        while True:
            page = self._call(call, request)
            yield page
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def _call(self, call: Callable[..., Any], request: Any, seconds: Optional[float] = None) -> Any:
        """Tries a call until it succeeds or its time has elapsed."""
        end = time.monotonic() + min(self._timeout, seconds or self._timeout)
        backoff = _INITIAL_BACKOFF_SECONDS
        previous = None
        while True:
            try:
                # a call that waits also connects; between calls that fail at once, gRPC makes no progress with it
                return call(
                    request,
                    timeout=max(0.001, end - time.monotonic()),
                    metadata=self._metadata,
                    wait_for_ready=previous is not None,
                )
            except grpc.RpcError as e:
                # the failure of the previous try is more informative than a timeout
                is_late = e.code() == grpc.StatusCode.DEADLINE_EXCEEDED
                failure = previous if is_late and previous else error(e)
                wait = random.uniform(backoff / 2, backoff)
                if not isinstance(failure, TRANSIENT) or time.monotonic() + wait >= end:
                    raise failure from e
                time.sleep(wait)
                previous = failure
                backoff = min(_MAX_BACKOFF_SECONDS, 2 * backoff)


class Transaction:
    """Operations that are committed together or not at all, in the namespace of the client or in others. They are
    kept here until ``commit`` sends them in one call. For one thread."""

    def __init__(self, client: StateClient):
        self._client = client
        self._operations: list[pb.Operation] = []
        # all tries share this id, so that a commit whose answer was lost is not applied twice
        self._request_id = str(uuid.uuid4())
        self._sent_at: Optional[float] = None
        self._has_ended = False

    def write(
        self,
        agent_id: str,
        key: str,
        json: Any,
        *,
        if_version: Optional[int] = None,
        ttl: Optional[timedelta] = None,
        namespace: Optional[str] = None,
    ) -> Transaction:
        """Writes a value: the text of one JSON value, or anything else that JSON can express, such as a dict. A
        ``str`` is always the text of a value. With ``if_version``, the commit fails if the key has another version;
        0 means that the key does not exist. When the lifetime ``ttl`` (1 second to 30 days) is over, the backend
        deletes the key."""
        of = self._client._key(agent_id, key, namespace)
        text = json if isinstance(json, str) else json_text(json)
        return self._add(pb.Operation(write=pb.Write(key=of, json=text, if_version=if_version, ttl=_duration(ttl))))

    def touch(
        self, agent_id: str, key: str, ttl: timedelta, *, namespace: Optional[str] = None
    ) -> Transaction:
        """Begins another lifetime of a key that has one, without a new version. The commit fails if the key does not
        exist."""
        of = self._client._key(agent_id, key, namespace)
        return self._add(pb.Operation(touch=pb.Touch(key=of, ttl=_duration(ttl))))

    def delete(
        self, agent_id: str, key: str, *, if_version: Optional[int] = None, namespace: Optional[str] = None
    ) -> Transaction:
        """Deletes a key, if it has the version ``if_version``. Has no effect if the key does not exist."""
        of = self._client._key(agent_id, key, namespace)
        return self._add(pb.Operation(delete=pb.Delete(key=of, if_version=if_version)))

    def check(self, agent_id: str, key: str, version: int, *, namespace: Optional[str] = None) -> Transaction:
        """Makes the commit conditional on the version of a key; 0 means that the key does not exist."""
        of = self._client._key(agent_id, key, namespace)
        return self._add(pb.Operation(check=pb.Check(key=of, if_version=version)))

    def _add(self, operation: pb.Operation) -> Transaction:
        if self._sent_at is not None:
            raise RuntimeError(
                "commit was already called, so no operation can be added: call commit again to learn its result, or"
                " begin another transaction"
            )
        self._operations.append(operation)
        return self

    def commit(self) -> Commit:
        """Makes all operations durable and visible, or none. Retries until the client's timeout.

        It may be called again within 14 minutes of the first call, unless the commit was rejected
        (``VersionConflict``, ``Invalid``, a value or transaction that is too large). It then returns the result of
        the first try, or commits now; it never commits twice. ``Unreachable`` and ``StoreDown`` mean that the outcome
        is unknown."""
        if self._has_ended:
            raise RuntimeError("the transaction is over")
        now = time.monotonic()
        if self._sent_at is None:
            self._sent_at = now
        left = self._sent_at + _REPEATABLE_SECONDS - now
        if left <= 0:
            raise RuntimeError(
                "commit was first called more than 14 minutes ago, and another call might apply the transaction"
                " twice: read the keys to learn whether it was applied"
            )
        request = pb.ApplyRequest(operations=self._operations, request_id=self._request_id)
        try:
            committed = self._client._call(self._client._stub.Apply, request, left)
        except REJECTIONS:
            self._has_ended = True
            raise
        self._has_ended = True
        return _commit(committed)


def _commit(committed: pb.CommitResponse) -> Commit:
    return Commit(committed.revision, _datetime(committed.committed_at), tuple(committed.versions))


class Replay:
    """The events of one replay. One thread reads them; any thread may close the replay."""

    def __init__(self, call: Callable[[bool], Any], request: pb.ReplayRequest):
        self._call = call
        self._request = request
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._answers: Any = None
        self._has_failed = False
        self._backoff = _INITIAL_BACKOFF_SECONDS

    def __iter__(self) -> Replay:
        return self

    def __next__(self) -> Event:
        while True:
            answers = self._open()
            if answers is None:
                raise StopIteration
            try:
                event = next(answers)
            except grpc.RpcError as e:
                if self._closed.is_set():
                    raise StopIteration from None
                failure = error(e)
                if not self._request.follow or not isinstance(failure, TRANSIENT):
                    raise failure from e
                self._answers = None
                self._has_failed = True
                self._closed.wait(self._backoff)
                self._backoff = min(_MAX_BACKOFF_SECONDS, 2 * self._backoff)
                continue
            self._backoff = _INITIAL_BACKOFF_SECONDS
            self._request.ClearField("from")
            self._request.resume_token = event.resume_token
            if event.changes:  # an event without changes has only a newer token
                return _event(event)

    def _open(self) -> Any:
        with self._lock:
            if self._closed.is_set():
                return None
            if self._answers is None:
                self._answers = self._call(self._has_failed)
            return self._answers

    def close(self) -> None:
        with self._lock:
            self._closed.set()
            if self._answers is not None:
                self._answers.cancel()

    def __enter__(self) -> Replay:
        return self

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        problem: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.close()


def _at(point: Optional[Point]) -> Optional[pb.At]:
    if point is None:
        return None
    if isinstance(point, str):
        point = parse_time(point)
    if isinstance(point, datetime):
        if point.tzinfo is None:
            raise ValueError(f"a time needs its zone: {point}")
        time_ = Timestamp()
        time_.FromDatetime(point.astimezone(timezone.utc).replace(tzinfo=None))
        return pb.At(time=time_)
    return pb.At(revision=point)


def _duration(ttl: Optional[timedelta]) -> Optional[Duration]:
    if ttl is None:
        return None
    duration = Duration()
    duration.FromTimedelta(ttl)
    return duration


def _datetime(moment: Timestamp) -> datetime:
    return _EPOCH + timedelta(seconds=moment.seconds, microseconds=moment.nanos // 1_000)


def _version(found: pb.Version) -> Version:
    return Version(found.version, found.revision, _datetime(found.committed_at), found.deleted, found.json)


def _event(event: pb.Event) -> Event:
    changes = tuple(
        Change(
            change.key.namespace,
            change.key.agent_id,
            change.key.key,
            change.version,
            change.kind == pb.Change.DELETE,
            change.json,
            change.ttl.ToTimedelta() if change.HasField("ttl") else None,
        )
        for change in event.changes
    )
    return Event(event.revision, _datetime(event.committed_at), changes, event.operations_total, event.resume_token)
