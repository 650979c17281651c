#!/usr/bin/env bash
# Builds the commit that is checked out twice, as two people would, and packs each build into a tar, which must have the same bytes.
# The second build has another directory, locale, time zone and clock of files. The tar, with its SHA-256, is left in
# target/release: jars, bills of materials and Debian packages at the paths where a build leaves them, scripts, docs, and SHA256SUMS.
# Needs git, a JDK, Maven and a network (the bills of materials can't be made offline); takes some minutes.
# Usage: e2e/reproducible.sh [MAVEN OPTION...]
set -euo pipefail

# jars contain the modes of their files, and the bills of materials the hashes of jars
umask 022
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

sources=(LICENSE NOTICE README.md CHANGELOG.md CONTRIBUTING.md RELEASING.md SECURITY.md alerts clients demo deploy docs flk licenses)
built=(backend/target/flk-backend.jar backend/target/flk-backend.cdx.json
  agent/target/flk-agent.jar agent/target/flk-agent.cdx.json
  state/server/target/flk-state.jar state/server/target/flk-state.cdx.json
  bench/target/flk-bench.jar 'deploy/deb/target/flk-*_all.deb')

commit=$(git -C "$here" rev-parse HEAD)
version=$(sed -n 's:.*<version>\(.*\)</version>.*:\1:p' "$here/pom.xml" | head -n 1)
name=flk-$version

# DIRECTORY OPTION...: builds the commit in a clone, and packs it into DIRECTORY.tar.gz.
build() {
  local directory=$1
  shift
  git clone -q "$here" "$directory"
  git -C "$directory" checkout -q "$commit"
  (cd "$directory" && "${MVN:-mvn}" -B -q -P quick,thorough -pl backend,agent,bench,deploy/deb -am "$@" package) >"$directory.log" 2>&1 ||
    { echo "reproducible: the build in $directory failed:" >&2; tail -n 20 "$directory.log" >&2; exit 1; }
  mkdir -p "$directory.release/$name"
  git -C "$directory" archive HEAD "${sources[@]}" | tar -x -C "$directory.release/$name"
  (
    cd "$directory"
    # the pattern of the packages is expanded here
    # shellcheck disable=SC2086
    for files in "${built[@]}"; do cp --parents $files "$directory.release/$name"; done
    cd "$directory.release/$name"
    find . -path '*/target/*' -type f -printf '%P\n' | LC_ALL=C sort | xargs sha256sum >SHA256SUMS
  )
  tar -c -C "$directory.release" --format=gnu --sort=name --owner=0 --group=0 --numeric-owner --mode='u+rwX,go+rX,go-w' \
    --mtime="@$(git -C "$directory" log -1 --format=%ct)" "$name" | gzip -n -9 >"$directory.tar.gz"
}

echo "commit $commit, version $version"
(
  export LC_ALL=C.UTF-8 TZ=UTC
  build "$work/one" "$@"
)
(
  export LC_ALL=C TZ=Pacific/Auckland
  export JAVA_TOOL_OPTIONS="-Duser.language=tr -Duser.country=TR -Duser.timezone=Pacific/Auckland"
  build "$work/a second one, elsewhere" "$@"
)

cd "$work"
if ! cmp one.tar.gz 'a second one, elsewhere.tar.gz'; then
  echo "DIFFERENT:" >&2
  diff -qr one.release 'a second one, elsewhere.release' >&2 || true
  exit 1
fi
mkdir -p "$here/target/release"
cp one.tar.gz "$here/target/release/$name.tar.gz"
cd "$here/target/release"
cat "$work/one.release/$name/SHA256SUMS"
sha256sum "$name.tar.gz" | tee "$name.tar.gz.sha256"
echo "the same bytes twice: target/release/$name.tar.gz"
