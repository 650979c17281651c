# SPDX-License-Identifier: Apache-2.0
"""``statehousectl`` reads the state of a backend. Its lines are those of ``flk state``.

Exit codes: 0 done, 1 failed or not found, 2 wrong usage, 130 interrupted."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from typing import Callable, Iterator, Optional, TextIO

from flk_state.client import Event, StateClient
from flk_state.dump import dump, event_line, line, time_text
from flk_state.values import parse_time
from statehouse.client import DEFAULT_NAMESPACE, Statehouse, __version__
from statehouse.exceptions import ConnectionError, StatehouseError


class Failed(Exception):
    """The command has no result, for this reason."""


def main(arguments: Optional[list[str]] = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        with _client(options) as client:
            run: Callable[[Statehouse, argparse.Namespace], None] = options.run
            run(client, options)
            sys.stdout.flush()
        return 0
    except BrokenPipeError:
        # the reader has ended; Python would complain again when it flushes at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (StatehouseError, Failed, RuntimeError, OSError) as e:
        print(_inert(f"statehousectl: {e}"), file=sys.stderr)
        return 1
    except ValueError as e:
        print(_inert(f"statehousectl: {e}"), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    common.add_argument("--json", action="store_true", help="print one JSON object per line")
    common.add_argument("--url", metavar="URL", help="host and port of the state (default: localhost:50051)")
    common.add_argument("--namespace", metavar="NAME", help="default: default; for a dump without AGENT, all")
    common.add_argument("--token-file", metavar="FILE", help="the file with the access token")
    common.add_argument("--timeout", metavar="SECONDS", type=float, help="default: 30; 5 of them to connect")

    parser = argparse.ArgumentParser(
        prog="statehousectl",
        description="Reads the state of a backend.",
        epilog="Exit codes: 0 done, 1 failed or not found, 2 wrong usage.",
        parents=[common],
    )
    parser.add_argument("-V", action="version", version=__version__)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def command(name: str, run: Callable[[Statehouse, argparse.Namespace], None], text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text, parents=[common])
        added.set_defaults(run=run)
        return added

    command("health", _health, "say whether the state can be read and written; exit code 1 if not")
    keys = command("keys", _keys, "list the keys of an agent")
    keys.add_argument("agent", metavar="AGENT")
    keys.add_argument("--prefix", metavar="TEXT", default="", help="only keys that begin with this text")
    get = command("get", _get, "print a value; exit code 1 if the key does not exist")
    get.add_argument("agent", metavar="AGENT")
    get.add_argument("key", metavar="KEY")
    get.add_argument("--version", metavar="N", type=int, dest="of_version", help="this version of the key")
    replay = command("replay", _replay, "print the commits of an agent, or of all, in order")
    replay.add_argument("agent", metavar="AGENT", nargs="?", default="")
    replay.add_argument("--from", metavar="TIME", type=_time, dest="start", help="such as 2026-01-31T12:00:00Z")
    replay.add_argument("--to", metavar="TIME", type=_time, dest="end", help="stop before this time")
    tail = command("tail", _tail, "print new commits of an agent, or of all, until it is stopped")
    tail.add_argument("agent", metavar="AGENT", nargs="?", default="")
    tail.add_argument("--from", metavar="TIME", type=_time, dest="start", help="first the commits since then")
    dumped = command("dump", _dump, "write all stored revisions, for flk state restore")
    dumped.add_argument("agent", metavar="AGENT", nargs="?", default="")
    dumped.add_argument("-o", "--output", metavar="FILE", help="a new file for the dump (default: standard output)")
    command("version", _version, "print the version of this program and of the state")
    return parser


def _time(text: str) -> datetime:
    try:
        return parse_time(text)
    except ValueError as e:
        raise argparse.ArgumentTypeError(str(e)) from None


def _client(options: argparse.Namespace) -> Statehouse:
    metadata = []
    if "token_file" in options:
        with open(options.token_file, encoding="utf-8") as file:
            metadata.append(("authorization", f"Bearer {file.read().strip()}"))
    timeout = getattr(options, "timeout", 30.0)
    return Statehouse(getattr(options, "url", "localhost:50051"), metadata, timeout=timeout)


def _namespace(options: argparse.Namespace) -> str:
    return getattr(options, "namespace", DEFAULT_NAMESPACE)


def _state(client: Statehouse, options: argparse.Namespace) -> StateClient:
    return client._state.namespace(_namespace(options))


def _print(options: argparse.Namespace, json: str, text: str) -> None:
    print(_inert(json if "json" in options else text))


def _inert(line: str) -> str:
    """Returns a line in which characters that control a terminal, or turn text around, are escapes of JSON."""
    return "".join(character if character.isprintable() else _escape(character) for character in line)


def _escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i : i + 2].hex()}" for i in range(0, len(units), 2))


def _health(client: Statehouse, options: argparse.Namespace) -> None:
    health = client.health()
    text = f"serving, at revision {health.revision}"
    if health.is_serving:
        _print(options, line({"serving": True}), text)
        return
    if "json" in options:
        _print(options, line({"serving": False, "reason": health.reason}), "")
    raise Failed(f"not serving: {health.reason}")


def _keys(client: Statehouse, options: argparse.Namespace) -> None:
    with client._call():
        for key in _state(client, options).keys(options.agent, options.prefix):
            _print(options, line({"key": key}), key)


def _get(client: Statehouse, options: argparse.Namespace) -> None:
    if options.of_version is None:
        found = client.get_state(options.agent, options.key, _namespace(options))
    else:
        found = client.get_state_at_version(options.agent, options.key, options.of_version, _namespace(options))
    if found is None:
        of = "" if options.of_version is None else f"version {options.of_version} of "
        raise Failed(f"no such key: {of}{options.agent} {options.key}")
    fields = {
        "version": found.version,
        "revision": found.revision,
        "committed_at": time_text(found.timestamp),
        "deleted": False,
    }
    _print(options, line(fields, found.json), found.json)


def _replay(client: Statehouse, options: argparse.Namespace) -> None:
    with client._call(), _state(client, options).replay(options.agent, start=options.start, end=options.end) as events:
        for event in events:
            _print_event(options, event)


def _tail(client: Statehouse, options: argparse.Namespace) -> None:
    with client._call():
        state = _state(client, options)
        start = state.info().newest_revision + 1 if options.start is None else options.start
        with state.replay(options.agent, start=start, follow=True) as events:
            for event in events:
                _print_event(options, event)
                sys.stdout.flush()


def _print_event(options: argparse.Namespace, event: Event) -> None:
    if "json" in options:
        _print(options, event_line(event, event.resume_token), "")
        return
    for change in event.changes:
        value = "deleted" if change.is_deleted else change.json
        time = event.committed_at.strftime("%Y-%m-%d %H:%M:%S")
        key = f"{change.agent_id} {change.key} v{change.version}"
        _print(options, "", f"{event.revision:<8}{time}  {key}  {value}")


def _dump(client: Statehouse, options: argparse.Namespace) -> None:
    all_namespaces = not options.agent and "namespace" not in options
    with client._call(), _output(options.output) as file:
        for text in dump(_state(client, options), options.agent, all_namespaces=all_namespaces):
            file.write((_inert(text) if options.output is None else text) + "\n")


@contextmanager
def _output(path: Optional[str]) -> Iterator[TextIO]:
    """Standard output, or a new file that only its owner may read, which is removed if it does not become complete."""
    if path is None:
        yield sys.stdout
        return
    with open(path, "x", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
        except BaseException:
            os.remove(path)
            raise


def _version(client: Statehouse, options: argparse.Namespace) -> None:
    try:
        found = client.version()
    except ConnectionError as e:
        _print(options, line({"client": __version__}), f"statehousectl {__version__}")
        raise Failed(f"the state's version is unknown: {e}") from None
    state = f"engine {found.engine}, format {found.format}, history {found.history_id}"
    _print(options, line(asdict(found)), f"statehousectl {found.client}; state: {state}")


if __name__ == "__main__":
    sys.exit(main())
