# SPDX-License-Identifier: Apache-2.0
# Runs the commands of pages, for DocsIT: bash docs.sh ROOT, in an empty directory with the files
#   *.page      the blocks of a page, without indentation; a block begins with a line that is its place
#   not-run     a regular expression a line: commands that are not run
#   settings    the ports of two backends, two programs of the state and an agent, and where Postgres and Redis are
# and writes a line of three columns to the file results for each command, program and request.

root=$1 world=$PWD results=$PWD/results place=world
. "$world/settings"
umask 077
mkdir -p bin data spool trial files copy
trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT
for file in demo deploy examples docs clients alerts backend agent; do ln -s "$root/$file" .; done

note() { printf '%s\t%s\t%s\n' "$1" "$place" "${2//$'\n'/ ⏎ }" >>"$results"; }
command_not_found_handle() { note "not found" "$1" && return 127; }
# LOG COMMAND...: waits until a command succeeds, at most a minute.
await() {
  local log=$1 end=$((SECONDS + 60))
  until "${@:2}" &>/dev/null; do
    [ $SECONDS -lt $end ] || { echo "in vain: ${*:2}"; cat "$log"; exit 1; }
    sleep 0.1
  done
}

# The real script. Commands about a shared store ask the second backend; those for a stopped backend get a copy of its
# data, and a server data of its own. What does not end by itself is ended.
cat >flk <<'FLK'
#!/usr/bin/env bash
given=$* limit=(timeout 60) log=
copied() { rm -rf stopped && cp -r data stopped && export WAL_DIR=stopped/wal DEDUP_DIR=stopped/dedup STATE_DIR=stopped/state; }
case " $given " in
  ' state sessions '* | ' state find '*)
    set -- "${@/state.properties/shared-state.properties}"
    GRPC_PORT=$SHARED_GRPC_PORT SESSION_PORT=$SHARED_SESSION_PORT PORT=$SHARED_SESSION_PORT
    ;;
  ' state '*) PORT=$SESSION_PORT ;;&
  *' postgres '* | *' logs '*)
    set -- "${@/flk.properties/shared.properties}"
    PORT=$SHARED_PORT
    ;;
  *' wal repair '* | *' wal compact '* | *' policy try '*) copied && set -- "${@/#data/stopped}" ;;
  *' wal restore '* | *' wal init '* | *' outcomes restore '* | *' state restore '*) copied && rm -r stopped/* ;;
  *' --offline '*) copied ;;
  *' --waiting '*) export OUTBOX_PATH=waiting ;;
esac
case "$given" in
  *--config* | *--url* | *--offline*) ;;
  'state sessions '*) set -- "$@" --url "http://127.0.0.1:$SESSION_PORT" ;;
  'state find'*) set -- "$@" --url "http://127.0.0.1:$GRPC_PORT" --token-file operator.token ;;
  'state serve'*) ;;
  'state '*) set -- "$@" --url "http://127.0.0.1:$GRPC_PORT" ;;
  'backend record'* | 'backend agents'*) set -- "$@" --url "http://127.0.0.1:$PORT" ;;
esac
case " $given " in
  *' --follow '* | *' sessions watch '*) limit=(timeout 8) ;;
  ' backend --config '* | ' agent run '* | ' state serve '* | ' state --config '*)
    [[ $given == *--until-empty* ]] || log=$(mktemp -p trial)
    export PORT=0 STATE_PORT=0 METRICS_PORT=0 INTAKE_PORT=0 INTAKE_SOCKET=trial/intake-$$ SPOOL_DIR=trial LOG_NAME=trial-$$
    export OUTBOX_PATH=trial/outbox-$$ DLQ_PATH=trial/dlq-$$ WAL_DIR=trial/wal-$$ DEDUP_DIR=trial/dedup-$$ STATE_DIR=trial/state-$$
    ;;
esac
if [ "$log" ]; then
  "${limit[@]}" "$ROOT/flk" "$@" 2>"$log" & server=$!
  until grep -qE ' ready: |wait in the outbox' "$log" || ! kill -0 $server 2>/dev/null; do sleep 0.2; done
  kill $server && wait $server
  code=$? && cat "$log" >&2
  [ $code != 143 ] || code=0
else
  "${limit[@]}" "$ROOT/flk" "$@"
  code=$?
  [ "${limit[1]} $code" != "8 124" ] || code=0
fi
printf 'flk %s\t%s\t%s\n' $code "$PLACE" "$given" >>"$RESULTS"
exit $code
FLK
cat >bin/curl <<'CURL'
#!/usr/bin/env bash
status=$(mktemp -p trial)
limit=45
[[ "$*" != *follow=* ]] || limit=8
"$CURL" --max-time $limit -w '%{stderr}status %{http_code}\n' "${@/#prometheus/prometheus:secret}" 2>"$status"
code=$?
[[ "$code $*" != 28*follow=* ]] || code=0
printf 'curl %s\t%s\t%s\n' "$(sed -n 's/^status //p' "$status")" "$PLACE" "$*" >>"$RESULTS"
exit $code
CURL
chmod +x flk bin/curl
CURL=$(command -v curl) ROOT=$root RESULTS=$results PATH=$world/bin:$PATH
export PGPASSWORD CURL ROOT RESULTS LC_ALL=C.UTF-8 PLACE=world TOKEN_RATE=100000
export PORT GRPC_PORT SESSION_PORT SHARED_PORT SHARED_GRPC_PORT SHARED_SESSION_PORT

cat >all.secret <<<"an example of a secret"
cat >keys.json <<'TXT'
{"version": 1, "keys": [
  {"id": "plant-7", "algorithm": "hmac", "secret_file": "all.secret", "shard_prefixes": [""], "state": "active"}
]}
TXT
printf %s "a token of an operator" >operator.token
cat >tokens.json <<TXT
{"version": 1, "tokens": [
  {"name": "operator", "sha256": "$(sha256sum <operator.token | cut -c -64)", "read": ["*/"], "write": ["*/"]}
]}
TXT
cat >flk.properties <<TXT
BIND_ADDR=127.0.0.1
PORT=$PORT
KEYS_FILE=keys.json
TXT
cat >state.properties <<TXT
BIND_ADDR=127.0.0.1
PORT=$SESSION_PORT
STATE_PORT=$GRPC_PORT
KEYS_FILE=keys.json
TXT
cat >shared.properties <<TXT
BIND_ADDR=127.0.0.1
PORT=$SHARED_PORT
OPS_PORT=$OPS_PORT
DEBUG=on
METRICS_USER=prometheus
METRICS_PASS=secret
KEYS_FILE=keys.json
LOG_NAME=backend-1
WAL_DIR=shared/wal
DEDUP_BACKEND=postgres
POSTGRES_CONN=$POSTGRES
TXT
cat >shared-state.properties <<TXT
BIND_ADDR=127.0.0.1
PORT=$SHARED_SESSION_PORT
STATE_PORT=$SHARED_GRPC_PORT
KEYS_FILE=keys.json
STATE_TOKENS_FILE=tokens.json
STATE_ENGINE=postgres
POSTGRES_CONN=$POSTGRES
SESSION_STORE=redis
REDIS_URI=$REDIS
SESSION_DATABASE_URL=$POSTGRES
TXT
cp demo/earthquakes.csv files
cat >sources.yaml <<TXT
sources:
  - name: hall
    files: files/*.csv
    time: {column: timestamp}
    values: [x, y, z]
    window: 400
TXT
cat >agent.properties <<TXT
ENDPOINT=http://localhost:$PORT
PCS_SIGN_ALG=hmac
PCS_HMAC_KEY=an example of a secret
OUTBOX_PATH=data/outbox
DLQ_PATH=data/dlq.jsonl
SPOOL_DIR=spool
SOURCES_FILE=sources.yaml
INTAKE_SOCKET=intake.sock
INTAKE_PORT=$INTAKE_PORT
METRICS_PORT=$METRICS_PORT
TXT

# an accepted, an escalated and a rejected certificate; the last is a dead letter, too
./flk agent certify --shard demo --window 100 --print demo/earthquakes.csv >many.ndjson
head -n 1 many.ndjson >pcs.json
sed -n 2p many.ndjson | jq -c '.regime = if .regime == "sticky" then "mixed" else "sticky" end' >escalated.json
sed -n 3p many.ndjson | jq -c '.D_hat += 1' >rejected.json
ESCALATED=$(jq -r .pcs_id escalated.json) REJECTED=$(jq -r .pcs_id rejected.json)
jq -c '{when: (now | todate), outbox_seq: 7, added: (now * 1000 | floor), pcs_id: .pcs_id, status: 400,
  reason: "D_hat", attempts: 1, certificate: .}' rejected.json >data/dlq.jsonl

"$root/flk" backend --config flk.properties 2>backend.log &
await backend.log grep -q 'ready: submissions' backend.log
env -u PORT "$root/flk" backend --config shared.properties 2>shared.log &
await shared.log grep -q 'ready: submissions' shared.log
for file in state shared-state; do
  env -u PORT "$root/flk" state --config $file.properties 2>$file.log &
  await $file.log grep -q ' ready: ' $file.log
done
"$root/flk" agent run --config agent.properties 2>agent.log &
await agent.log test -S data/outbox/control.sock
./flk agent submit --config agent.properties pcs.json escalated.json rejected.json
await agent.log grep -q "$REJECTED" agent.log
OUTBOX_PATH=waiting ./flk agent certify --config agent.properties --shard demo --window 500 demo/earthquakes.csv
curl -sf -X PUT -H "Authorization: Bearer $(cat operator.token)" -d '{"state": "ready"}' \
  "http://localhost:$SHARED_SESSION_PORT/v1/sessions/pump-7"
await backend.log test -e data/wal/inbox.mark
cp data/wal/inbox.* data/wal/*.wal copy
awk 'BEGIN { print "time,temp,hum"; for (i = 0; i < 2000; i++) print 1795161600 + i "," i % 7 "," i % 5 }' >data.csv
cat >line-1.json <<'TXT'
{"version": 1, "keys": [
  {"id": "plant-7", "algorithm": "hmac", "secret_file": "all.secret", "shards": ["line-1"], "state": "active"}
]}
TXT
echo KEYS_FILE=line-1.json >keys.properties
sed -n '/^    import base64, hmac, json$/,/^$/s/^    //p' docs/refused.md >sign.py
mkdir backup
cat >score.json <<<'{"required": ["score"]}'

# COMMAND: runs a command in this shell, as it would be typed, or only notes it.
run() {
  [ -n "$1" ] || return 0
  local _pattern _codes=()
  while IFS= read -r _pattern; do
    if [[ "$place: $1" =~ $_pattern ]]; then
      note "not run $_pattern" "$1"
      return
    fi
  done <"$world/not-run"
  if [[ $1 =~ (^|[\ =\'\"])/(etc|opt|var|usr|srv|root|home)/|pkill|killall|sudo\ |rm\ -r[f]?\ / ]]; then
    note "changes the machine" "$1"
    return
  fi
  export PLACE=$place
  eval "$1"$'\n_codes=("${PIPESTATUS[@]}")' >"$world/out" 2>&1 </dev/null
  note "run ${_codes[*]}" "$1"
  printf '%s: %s\n%s\n' "$place" "$1" "$(head -c 2000 "$world/out")" >>"$world/outputs"
}

run_page() {
  local _line _command=''
  while IFS= read -r _line <&3; do
    if [[ $_line == $'\x01'* ]]; then
      [ -z "$_command" ] || note "can't be parsed" "$_command"
      _command='' place=${_line:1}
      continue
    fi
    _command+=${_command:+$'\n'}$_line
    if [[ $_command != *\\ && -z $(bash -n <<<"$_command" 2>&1) ]]; then
      run "$_command"
      _command=
    fi
  done
}

for page in *.page; do
  sed -i -E -e "s|localhost:8081/v1/sessions|localhost:$SHARED_SESSION_PORT/v1/sessions|; s/(localhost|127\.0\.0\.1):8080/\1:$PORT/; s/:8081/:$INTAKE_PORT/; s/:9090/:$OPS_PORT/; s/:9100/:$METRICS_PORT/" \
    -e "s/(\"until\": )\"2026-01-31T12:00:00Z\"/\1\"$(date -u +%FT%TZ)\"/" \
    -e "s|^(\./flk agent verify .*changed.json)|jq -c '.budget = 0.1' refused.json >changed.json; \1|" \
    -e "s|^pg_dump|POSTGRES_CONN=${POSTGRES%/*}/flk; pg_dump|" -e "s/90_000/12_000/; s/\bPCS_ID\b/$REJECTED/; s/\bID\b/$ESCALATED/; s/8232abbf/${ESCALATED:0:8}/; s/\bKEY\b/plant-7/; s/\bTEXT\b/D_hat/" \
    -e "s/\bSHARD\b/demo/; s/\bSEQ\b/1/; s/-p 15432/-p $POSTGRES_PORT/; s/:15432/:$POSTGRES_PORT/; s|/mnt/archive|copy|" \
    -e "s|/etc/flk/keys.json|keys.json|; s|/var/backups/flk|backup|; s/seconds=30/seconds=2/; s|/run/flk-agent/||" "$page"
  (
    BACKEND=http://localhost:$PORT BACKEND_LOG=backend.log STATE_DIR=data/state KEYS_FILE=keys.json
    TLS_CERT=tls.crt TLS_KEY=tls.key
    run_page 3<"$page"
    kill $(jobs -p) 2>/dev/null
    true
  )
done
