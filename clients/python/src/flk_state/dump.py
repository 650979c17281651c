# SPDX-License-Identifier: Apache-2.0
"""Lines of JSON with the values of events, exactly as they were written."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from itertools import chain
from typing import Any, Iterator

from flk_state import protocol as pb
from flk_state.client import Change, Event, StateClient, _datetime


def dump(client: StateClient, agent_id: str = "", *, all_namespaces: bool = False) -> Iterator[str]:
    """Yields the lines of a dump, which ``flk state restore`` reads: all revisions that are kept, of an agent,
    of the client's namespace, or of all namespaces.

    Raises ``RuntimeError`` if the history is compacted during the dump: dump again."""
    if all_namespaces and agent_id:
        raise ValueError("an agent can be dumped from one namespace only")
    of = client.namespace("") if all_namespaces else client

    def page(token: str = "") -> Any:
        request = pb.StandingRequest(namespace=of._namespace, agent_id=agent_id, page_token=token)
        return client._call(client._care.Standing, request)

    def same_floor(answer: Any) -> Any:
        if answer.floor != first.floor:
            raise RuntimeError("the history was compacted during the dump: dump again")
        return answer

    def standing() -> Iterator[Event]:
        answer = first
        while answer.entries:  # the values at the floor
            yield from map(_standing_event, answer.entries)
            answer = same_floor(page(answer.next_page_token))

    first = page()
    end = client.info().newest_revision + 1
    # a namespace begins with its oldest event, which may be later than the floor
    start = first.floor + 1 if all_namespaces else None
    count = 0
    floor_at = time_text(_datetime(first.floor_at))
    yield line({"dump": 1, "history_id": first.history_id, "floor": first.floor, "floor_at": floor_at})
    with of.replay(agent_id, start=start, end=end) as later:
        for event in chain(standing(), later):
            yield event_line(event)
            count += 1
    same_floor(page())
    yield line({"events": count})


def event_line(event: Event, resume_token: str = "") -> str:
    """Returns an event as ``flk state replay --json`` prints it."""
    changes = ",".join(map(_change, event.changes))
    head = line({
        "revision": event.revision,
        "committed_at": time_text(event.committed_at),
        "operations_total": event.operations_total,
    })
    token = f',"resume_token":{json.dumps(resume_token)}' if resume_token else ""
    return f'{head[:-1]},"changes":[{changes}]{token}}}'


def line(fields: dict[str, Any], value: str = "") -> str:
    """Returns an object in one line. ``value`` is the JSON text of its last field."""
    text = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
    return f'{text[:-1]},"value":{value}}}' if value else text


def time_text(time: datetime) -> str:
    return time.isoformat().replace("+00:00", "Z")


def _change(change: Change) -> str:
    fields = {
        "namespace": change.namespace,
        "agent_id": change.agent_id,
        "key": change.key,
        "version": change.version,
        "kind": "DELETE" if change.is_deleted else "WRITE",
    }
    if change.ttl is not None:
        fields["ttl_micros"] = change.ttl // timedelta(microseconds=1)
    return line(fields, change.json)


def _standing_event(entry: pb.FindResponse.Entry) -> Event:
    key, version = entry.key, entry.version
    ttl = version.ttl.ToTimedelta() if version.HasField("ttl") else None
    change = Change(key.namespace, key.agent_id, key.key, version.version, False, version.json, ttl)
    return Event(version.revision, _datetime(version.committed_at), (change,), 1, "")
