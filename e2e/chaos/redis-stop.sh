#!/usr/bin/env bash
# Stops Redis under a backend for a while, under traffic, and tells whether the backend kept its promise.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)

usage() {
  cat <<'TXT'
Usage: redis-stop.sh --self-contained [--redis-server FILE] [OPTION...]
       redis-stop.sh --url URL --stop COMMAND --start COMMAND [OPTION...]
       redis-stop.sh --url URL --pid PID [OPTION...]

Sends signed certificates to a backend, stops its Redis, starts it again, and checks that meanwhile there were only
503, soon and at once, that everything was decided within 10 s of the return, and that nothing is lost or doubled.

  --self-contained     with a backend and a Redis of its own, from the build (mvn -DskipTests package)
  --redis-server FILE  the program to use for that; preset: redis-server on the PATH, else the one that the build's
                       tests unpack
  --url URL            the running backend, such as http://127.0.0.1:8080
  --stop COMMAND       stops its Redis, such as 'docker compose stop redis'; run by bash
  --start COMMAND      starts it again
  --pid PID            instead: pauses that redis-server (SIGSTOP) and lets it go on
  --seconds N          how long it is down; preset: 60
  --rate N             certificates a second; preset: 200
  --shard NAME         shard of the certificates; preset: a new one, so that they are new
  -h, --help           this

A running backend must take them: PCS_HMAC_KEY is its key, TOKEN_RATE must be above the rate; METRICS_USER and
METRICS_PASS are used if set. The certificates stay in its log and its store; stop other traffic meanwhile, or the
count of decisions is only a lower bound. Needs curl and a JDK from 17 on.
Exit codes: 0 the promise was kept, 1 it was not, 2 usage.
TXT
}

misuse() {
  echo "redis-stop: $1; see redis-stop.sh -h" >&2
  exit 2
}

fail() {
  echo "redis-stop: $1" >&2
  exit 1
}

url= stop_command= start_command= paused_pid= own= redis_program=
seconds=60
rate=200
shard=chaos-$(date -u +%Y%m%dT%H%M%S)-$$
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) usage; exit 0 ;;
    --self-contained) own=1; shift; continue ;;
    --redis-server | --url | --stop | --start | --pid | --seconds | --rate | --shard) ;;
    *) misuse "unknown argument $1" ;;
  esac
  [ $# -ge 2 ] || misuse "$1 needs a value"
  case $1 in
    --redis-server) redis_program=$2 ;;
    --url) url=${2%/} ;;
    --stop) stop_command=$2 ;;
    --start) start_command=$2 ;;
    --pid) paused_pid=$2 ;;
    --seconds) seconds=$2 ;;
    --rate) rate=$2 ;;
    --shard) shard=$2 ;;
  esac
  shift 2
done
for number in "$seconds" "$rate" ${paused_pid:+"$paused_pid"}; do
  [[ $number =~ ^[1-9][0-9]*$ ]] || misuse "$number is not a number above 0"
done
if [ -n "$own" ]; then
  [ -z "$url$stop_command$start_command$paused_pid" ] || misuse "--self-contained has its own backend and Redis"
else
  [ -n "$url" ] || misuse "--url or --self-contained is missing"
  [ -n "$paused_pid" ] || { [ -n "$stop_command" ] && [ -n "$start_command" ]; } || misuse "give --stop and --start, or --pid"
  [ -n "${PCS_HMAC_KEY:-}" ] || misuse "PCS_HMAC_KEY is not set"
fi
command -v curl >/dev/null || fail "no curl found; install it"
if [ -n "${JAVA_HOME:-}" ]; then java=$JAVA_HOME/bin/java; else java=$(command -v java) || fail "no java found"; fi

work=$(mktemp -d "${TMPDIR:-/tmp}/redis-stop.XXXXXX")
redis_pid= backend_pid= traffic_pid= is_stopped=

end() { # PID
  [ -n "$1" ] || return 0
  kill "$1" 2>/dev/null || true
  wait "$1" 2>/dev/null || true
}

clean_up() {
  end "$traffic_pid"
  if [ -n "$is_stopped" ] && [ -z "$own" ]; then
    start_redis || echo "redis-stop: Redis could not be started again" >&2
  fi
  end "$backend_pid"
  end "$redis_pid"
  rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

now() { date +%s%3N; }

begun=$(now)
tell() { # TEXT
  awk -v since=$(($(now) - begun)) -v text="$1" 'BEGIN { printf "%7.1f s  %s\n", since / 1000, text }'
}

get() { # PATH
  if [ -n "${METRICS_USER:-}" ]; then
    printf 'user = "%s:%s"\n' "$METRICS_USER" "${METRICS_PASS:-}" | curl -s -m 5 -K - "$url$1"
  else
    curl -s -m 5 "$url$1"
  fi
}

is_ready() { [ "$(curl -s -m 5 -o /dev/null -w '%{http_code}' "$url/readyz")" = 200 ]; }

sample() { # NAME
  get /metrics | awk -v name="$1" '$1 == name { printf "%d", $2; found = 1 } END { exit !found }'
}

await() { # SECONDS WHAT COMMAND...
  local until=$(($(now) + $1 * 1000)) what=$2
  shift 2
  until "$@"; do
    [ "$(now)" -lt "$until" ] || return 1
    sleep 0.1
  done
}

port_answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

find_redis() {
  [ -z "$redis_program" ] || return 0
  redis_program=$(command -v redis-server) && return 0
  local jar machine=amd64
  [ "$(uname -m)" = x86_64 ] || machine=arm64
  jar=$(find "${HOME:-/}/.m2/repository/com/github/codemonstur" -name 'embedded-redis-*.jar' 2>/dev/null | sort | tail -n 1)
  [ -n "$jar" ] || fail "no redis-server found; install it or give --redis-server"
  (cd "$work" && "$(dirname "$(readlink -f "$java")")/jar" xf "$jar")
  redis_program=$(find "$work" -name "redis-server-*-linux-$machine" | head -n 1)
  [ -n "$redis_program" ] || fail "no redis-server for $machine in $jar; install it or give --redis-server"
  chmod +x "$redis_program"
}

start_redis() {
  if [ -n "$own" ]; then
    "$redis_program" --port "$redis_port" --bind 127.0.0.1 --dir "$work/data" --save '' --appendonly yes \
      --appendfsync always --maxmemory-policy noeviction >>"$work/redis.log" 2>&1 &
    redis_pid=$!
    await 30 redis port_answers "$redis_port" || fail "redis-server does not start: $(tail -n 3 "$work/redis.log")"
  elif [ -n "$paused_pid" ]; then
    kill -CONT "$paused_pid"
  else
    bash -c "$start_command"
  fi
  is_stopped=
}

stop_redis() {
  is_stopped=1
  if [ -n "$own" ]; then
    kill -KILL "$redis_pid"
    wait "$redis_pid" 2>/dev/null || true
    redis_pid=
  elif [ -n "$paused_pid" ]; then
    kill -STOP "$paused_pid"
  else
    bash -c "$stop_command"
  fi
}

start_own() {
  local jar=$root/backend/target/flk-backend.jar
  [ -e "$jar" ] || fail "$jar is not built; run mvn -DskipTests package"
  find_redis
  mkdir "$work/data"
  redis_port=$((20000 + RANDOM % 10000))
  while port_answers "$redis_port"; do redis_port=$((redis_port + 1)); done
  start_redis
  export PCS_HMAC_KEY=chaos-$RANDOM$RANDOM$RANDOM
  env PORT=0 BIND_ADDR=127.0.0.1 PCS_SIGN_ALG=hmac TOKEN_RATE=1000000 DEDUP_BACKEND=redis \
    SESSION_STORE=redis \
    REDIS_ADDR=127.0.0.1:"$redis_port" WAL_DIR="$work/wal" WAL_MIN_FREE_BYTES=16MiB \
    "$java" -jar "$jar" >"$work/backend.log" 2>&1 &
  backend_pid=$!
  await 60 backend grep -q 'listening on ' "$work/backend.log" || fail "the backend does not start: $(tail -n 5 "$work/backend.log")"
  url=http://127.0.0.1:$(sed -n 's/.*listening on .* port \([0-9]*\)$/\1/p' "$work/backend.log")
}

watch() { # SECONDS; a line of the timeline every tenth of them, at least one a second
  local left=$1 step=$((seconds > 20 ? seconds / 10 : 1))
  while [ "$left" -gt 0 ]; do
    sleep $((left < step ? left : step))
    left=$((left - step))
    tell "readyz $(curl -s -m 5 -o /dev/null -w '%{http_code}' "$url/readyz"), flk_dedup_up $(sample flk_dedup_up), flk_inbox_pending $(sample flk_inbox_pending), answers $(wc -l <"$work/answers")"
  done
}

is_down() { ! is_ready; }
is_decided() { is_ready && [ "$(sample flk_inbox_pending)" = 0 ]; }

order() { # WORD; sets reply
  echo "$1" >&5
  read -r -t 600 reply <&6 || fail "the sender ended: $(tail -n 3 "$work/traffic.log")"
}

problems=0
verdict() { # WHETHER TEXT
  if [ "$1" = 1 ]; then echo "  ok      $2"; else echo "  BROKEN  $2"; problems=$((problems + 1)); fi
}

[ -z "$own" ] || start_own
await 30 backend is_ready || fail "$url is not ready: $(get /readyz)"
accepted_before=$(sample flk_accepted)

tell "sending $rate certificates a second to $url"
mkfifo "$work/orders" "$work/replies"
"$java" "$here/SignedTraffic.java" "$url" "$rate" "$shard" "$work/answers" \
  <"$work/orders" >"$work/replies" 2>"$work/traffic.log" &
traffic_pid=$!
exec 5>"$work/orders" 6<"$work/replies"
await 30 traffic test -s "$work/answers" || fail "nothing is answered: $(tail -n 3 "$work/traffic.log")"
watch 3

tell "Redis is stopped"
stop_redis
await 10 outage is_down || fail "the backend does not notice that Redis is stopped"
down=$(now)
tell "the backend says so: $(get /readyz | tr -d '\n')"
watch "$seconds"
up=$(now)
tell "Redis is started"
start_redis
back=$(now)
decided_after=none
if await 60 decision is_decided; then decided_after=$(($(now) - back)); fi
tell "ready, and nothing waits"
watch 3
order stop
sent=${reply#sent }
await 30 decision is_decided || true
tell "sent $sent; sending them all again"
order check
read -r _ _ _ lost _ changed _ conflicts <<<"$reply"
decided=$(($(sample flk_accepted) - accepted_before))
tell "done"

read -r other during during_other slowest < <(awk -v down="$down" -v up="$up" '
  $2 != 200 && $2 != 503 { other++ }
  $1 > down && $1 < up { during++; if ($2 != 503) during_other++; if ($3 > slowest) slowest = $3 }
  END { print other + 0, during + 0, during_other + 0, slowest + 0 }' "$work/answers")

echo
echo "Verdict on $seconds s without Redis at $rate certificates a second, $sent in all:"
verdict $((during > 0 && during_other == 0)) "$during answers while it was down, $during_other of them other than 503"
verdict $((other == 0)) "$other answers at any time that were neither 200 nor 503"
verdict $((slowest < 1000)) "the slowest answer while it was down took $slowest ms (under 1000)"
if [ "$decided_after" = none ]; then
  verdict 0 "not everything was decided within 60 s of its return"
else
  verdict $((decided_after <= 10000)) "everything was decided $decided_after ms after its return (within 10000)"
fi
verdict $((lost == 0)) "$lost lost: no duplicate when sent again"
verdict $((changed + conflicts == 0)) "$changed changed, $conflicts conflicts"
if [ -n "$own" ]; then
  verdict $((decided == sent)) "$decided decided of $sent sent: none doubled"
else
  verdict $((decided >= sent)) "$decided decided, $sent sent by this; the same number if nobody else sends"
fi
[ "$problems" = 0 ]
