#!/usr/bin/env bash
# Builds the commit that is checked out twice, as two people would, and compares the jars and bills of materials byte for byte.
# The second build has another directory, umask, locale, time zone and clock of files. Needs git, a JDK and Maven; takes some minutes.
# Usage: e2e/reproducible.sh [MAVEN OPTION...], for instance -o
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

shipped=(backend/target/flk-backend.jar backend/target/flk-backend.cdx.json
  agent/target/flk-agent.jar agent/target/flk-agent.cdx.json
  bench/target/flk-bench.jar)

build() {
  local directory=$1
  shift
  git clone -q "$here" "$directory"
  git -C "$directory" checkout -q "$commit"
  (cd "$directory" && "${MVN:-mvn}" -B -q -DskipTests package "$@") >"$directory.log" 2>&1 ||
    { echo "reproducible: the build in $directory failed:" >&2; tail -n 20 "$directory.log" >&2; exit 1; }
}

commit=$(git -C "$here" rev-parse HEAD)
echo "commit $commit"
(
  umask 022
  export LC_ALL=C.UTF-8 TZ=UTC
  build "$work/one" "$@"
)
(
  umask 077
  export LC_ALL=C TZ=Pacific/Auckland
  export JAVA_TOOL_OPTIONS="-Duser.language=tr -Duser.country=TR -Duser.timezone=Pacific/Auckland"
  build "$work/a second one, elsewhere" "$@"
)

different=0
for file in "${shipped[@]}"; do
  one=$(sha256sum <"$work/one/$file" | cut -d' ' -f1)
  two=$(sha256sum <"$work/a second one, elsewhere/$file" | cut -d' ' -f1)
  if [ "$one" = "$two" ]; then
    echo "same       $one  $file"
  else
    echo "DIFFERENT  $one, $two  $file"
    different=1
  fi
done
exit "$different"
