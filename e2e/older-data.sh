#!/usr/bin/env bash
# Writes data as the version that is checked out writes it, for OlderDataIT, to e2e/src/test/resources/older/VERSION.tar.gz:
# the directories of a backend that was killed and of an agent, and what commands printed before.
# Usage: e2e/older-data.sh, after mvn -Pquick package; a release keeps the file.
set -euo pipefail
umask 022

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
version=$(sed -n 's:.*<version>\(.*\)</version>.*:\1:p' "$here/pom.xml" | head -n 1)
work=$(mktemp -d)
backend=
trap '[ -z "$backend" ] || kill -9 "$backend"; rm -rf "$work"' EXIT
cd "$work"
mkdir printed

backend() { java -jar "$here/backend/target/flk-backend.jar" "$@"; }
agent() { java -jar "$here/agent/target/flk-agent.jar" "$@"; }

# the years are longer than anybody keeps the file: nothing in it expires
cat >flk.properties <<'TXT'
PCS_SIGN_ALG=hmac
PCS_HMAC_KEY=the key of older data, which signs nothing else
BIND_ADDR=127.0.0.1
PORT=0
STATE_PORT=0
WAL_MIN_FREE_BYTES=1MiB
STATE_MIN_FREE_BYTES=1MiB
WAL_RETENTION=36500d
DEDUP_TTL=36500d
RECORD_HISTORY=36500d
TXT
cat >agent.properties <<'TXT'
PCS_SIGN_ALG=hmac
PCS_HMAC_KEY=the key of older data, which signs nothing else
OUTBOX_PATH=outbox
DLQ_PATH=dlq.jsonl
MAX_AGE=36000d
HEARTBEAT=0
TXT

# LOG [SETTING...]: starts the backend, and sets url and state
start() {
  env "${@:2}" java -jar "$here/backend/target/flk-backend.jar" --config flk.properties 2>"$1" &
  backend=$!
  for _ in $(seq 300); do
    port=$(sed -n 's/.* listening on [0-9.]* port \([0-9]*\).*/\1/p' "$1" | head -n 1)
    if [ -n "$port" ] && curl -sf "http://127.0.0.1:$port/readyz" >/dev/null; then
      url=http://127.0.0.1:$port
      state=http://127.0.0.1:$(sed -n 's/.* serving the state on .* port \([0-9]*\).*/\1/p' "$1" | head -n 1)
      return
    fi
    sleep 0.2
  done
  cat "$1" >&2
  exit 1
}

stop() {
  kill "$1" "$backend"
  wait "$backend" || true
  backend=
}

send() { ENDPOINT=$url agent run --until-empty --config agent.properties 2>>agent.log; }
certify() { agent certify --quiet --shard "$1" --window "$2" --config agent.properties "$here/demo/earthquakes.csv"; }

# a closed, compressed segment and an older policy
start one.log
certify quakes 100
certify "a b/ü" 200
send
agent certify --shard quakes --window 150 --print "$here/demo/earthquakes.csv" >certified
# one whose regime is wrong, one whose D_hat is wrong, one that is refused
for change in 's/"regime":"[a-z_]*"/"regime":"non_sticky"/' 's/"D_hat":[0-9.]*/"D_hat":3.4/' 's/"version":"0.1"/"version":"9"/'; do
  head -n 1 certified | sed -e "$change" >changed
  sed -i 1d certified
  agent sign --config agent.properties changed >signed
  curl -s "$url/v1/pcs/submit" -d @signed >>answers
done
for value in 1 2 3; do
  backend state --url "$state" set planner memory "{\"fact\": $value, \"text\": \"grüße\"}"
  backend state --url "$state" set planner "note/$value" "[$value, 1.50, null]"
done
backend state --url "$state" delete planner note/2
stop -TERM
backend wal compact --config flk.properties --compress-after 0

# a log that was not closed, and records of the policy of now
start two.log TOL_D=0.2 WAL_SEGMENT_AGE=1s
certify more 100
# becomes a dead letter
head -n 1 certified | sed 's/"merkle_root":"[0-9a-f]*"/"merkle_root":"0"/' >changed
agent submit changed --config agent.properties
send
backend record --url "$url" --verdict escalated --json | jq -c '{ids: [.pcs_id], verdict: "fault",
  note: "a sensor, replaced", author: "anna"}' | curl -sf -X PUT "$url/v1/reviews" -d @-
backend state --namespace other --url "$state" set planner memory '"other"'
backend record --url "$url" --all --json >printed/record
curl -sf "$url/v1/reviews?state=reviewed" >printed/reviews
backend state --url "$state" dump | sed 1d >printed/state
stop -KILL
backend wal replay --config flk.properties --outcomes >printed/outcomes
backend wal verify --config flk.properties >printed/verified

# certificates that wait
certify waiting 300
agent outbox cat --config agent.properties --json >printed/outbox
agent dlq list --config agent.properties --json >printed/letters

rm -f answers certified changed signed ./*.log
tar -czf "$here/e2e/src/test/resources/older/$version.tar.gz" --sort=name --owner=0 --group=0 --numeric-owner --mode=u+rw,go-w -- *
