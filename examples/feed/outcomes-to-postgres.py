#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Copies the outcomes and reviews of a backend into a table of Postgres, and follows them: see docs/feeds.md.

Needs Python 3.9 or later and psycopg 3 (the package python3-psycopg of Debian and Ubuntu). The server and its password
are those of libpq: PGHOST, PGDATABASE, PGPASSFILE and so on. With --print, the events go to the standard output
instead, one a line, and neither is needed.

The events and the cursor after them are written in one transaction, so the program may be killed at any time. It ends
with exit code 2 if the backend refuses the cursor as another backend's.
"""

import argparse
import base64
import contextlib
import http.client
import json
import os
import signal
import sys
import time
import urllib.error
import urllib.request

PAUSE_SECONDS = 1  # between two questions while nothing happens
LONGEST_PAUSE_SECONDS = 60  # after failures
MOST_FAILURES_ONCE = 4  # one after the other, with --once
TABLES = """
    CREATE TABLE IF NOT EXISTS flk_events (
        pcs_id text, kind text, event jsonb NOT NULL, PRIMARY KEY (pcs_id, kind));
    CREATE TABLE IF NOT EXISTS flk_feeds (url text PRIMARY KEY, cursor text NOT NULL);
    """
reported = set()  # gaps


class Refused(Exception):
    """The backend does not accept the cursor, and will not accept it later."""


def fetch(options, cursor):
    """Returns the next events, one a line, the cursor after them, and whether more may follow at once."""
    request = urllib.request.Request(options.url + "/v1/outcomes/changes?limit=1000&cursor=" + cursor)
    if options.login_file:
        with open(options.login_file, "rb") as file:
            login = file.read().strip()
        if login:
            request.add_header("Authorization", "Basic " + base64.b64encode(login).decode())
    try:
        with urllib.request.urlopen(request, timeout=60) as part:
            report_gaps(part.headers.get_all("X-Flk-Gap", []))
            return part.read(), part.headers["X-Flk-Cursor"], "X-Flk-More" in part.headers
    except urllib.error.HTTPError as e:
        message = f"{e.code}: {e.read().decode(errors='replace').strip()}"
        if e.code == 410 and cursor:  # repeats what still exists; nothing is missing from the table afterwards
            print("beginning again,", message, file=sys.stderr)
            time.sleep(PAUSE_SECONDS)  # in case that the next cursor is refused, too
            return b"", "", True
        if e.code == 400:
            raise Refused(message) from None
        raise OSError(message) from None
    except urllib.error.URLError as e:
        raise OSError(f"{options.url}: {e.reason}") from None


def report_gaps(gaps):
    for gap in gaps:
        if gap not in reported:
            reported.add(gap)
            print("the backend's record lacks outcomes for good:", gap, file=sys.stderr)


def rows(lines):
    for line in lines.splitlines():
        # Postgres has no character U+0000, which a shard may contain; after the first step it is never preceded by \
        text = line.decode().replace("\\\\", "\\u005c").replace("\\u0000", "\\ufffd")
        event = json.loads(text)
        del event["cursor"]
        yield event["pcs_id"], event["kind"], json.dumps(event)


def copy_part(options, db):
    """Copies one part in one transaction; returns whether more may follow at once."""
    with db.transaction():
        feed = db.execute("SELECT cursor FROM flk_feeds WHERE url = %s FOR UPDATE", [options.url]).fetchone()
        cursor = feed[0] if feed else ""
        lines, after, has_more = fetch(options, cursor)
        if lines:
            db.cursor().executemany(
                "INSERT INTO flk_events VALUES (%s, %s, %s)"
                " ON CONFLICT (pcs_id, kind) DO UPDATE SET event = EXCLUDED.event",
                rows(lines),
            )
        if after != cursor:
            db.execute(
                "INSERT INTO flk_feeds VALUES (%s, %s) ON CONFLICT (url) DO UPDATE SET cursor = EXCLUDED.cursor",
                [options.url, after],
            )
    return has_more


@contextlib.contextmanager
def to_postgres(options):
    try:
        import psycopg
    except ModuleNotFoundError:
        sys.exit("psycopg 3 is missing; install the package python3-psycopg, or use --print")
    try:
        with psycopg.connect(autocommit=True) as db:
            db.execute(TABLES)
            yield lambda: copy_part(options, db)
    except psycopg.OperationalError as e:
        raise OSError(str(e).strip()) from None


@contextlib.contextmanager
def to_stdout(options):
    def print_part():
        lines, options.after, has_more = fetch(options, options.after)
        sys.stdout.buffer.write(lines)
        sys.stdout.flush()
        return has_more

    yield print_part


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default=os.environ.get("FLK_URL", "http://localhost:8080"))
    parser.add_argument("--login-file", help="METRICS_USER:METRICS_PASS of the backend; may be empty")
    parser.add_argument("--once", action="store_true", help="end after the newest event, or with 1 after four failures")
    parser.add_argument("--print", action="store_true", help="print the events instead")
    parser.add_argument("--after", default="", metavar="CURSOR", help="with --print: where to begin")
    options = parser.parse_args()
    options.url = options.url.rstrip("/")
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))  # rolls the transaction back
    pause = PAUSE_SECONDS
    failures = 0
    while True:
        try:
            with to_stdout(options) if options.print else to_postgres(options) as copy_next:
                while True:
                    has_more = copy_next()
                    pause = PAUSE_SECONDS
                    failures = 0
                    if options.once and not has_more:
                        return 0
                    if not has_more:
                        time.sleep(PAUSE_SECONDS)
        except Refused as e:
            print("the cursor can't be used,", e, file=sys.stderr)
            return 2
        except (OSError, http.client.HTTPException) as e:
            failures += 1
            if options.once and failures == MOST_FAILURES_ONCE:
                print(f"{e}; ending, because of --once", file=sys.stderr)
                return 1
            print(f"{e}; trying again in {pause} s", file=sys.stderr)
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
