#!/usr/bin/env bash
# Kills the agent in the middle of its work, starts it again, and prints what it did. Usage: run.sh [URL]
set -euo pipefail

url=${1:-localhost:50051}
agent=research-$$
program=$(dirname "${BASH_SOURCE[0]}")/agent.py

python3 "$program" "$agent" --url "$url" &
sleep 3
kill -9 $! && echo "killed"
wait $! 2>/dev/null || true
python3 "$program" "$agent" --url "$url"
python3 -m statehouse.cli.main replay "$agent" --url "$url"
