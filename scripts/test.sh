#!/usr/bin/env bash
# Every check, as CI runs them: lint, format, types, the floors of the house, then all tests. Nothing is downloaded.
#
#   bash scripts/test.sh                       everything
#   bash scripts/test.sh -m 'not slow'         words behind it go to pytest (-n 0: one process)
#   GEOTUNE_PHOTOS=FOLDER bash scripts/test.sh the tests on real photos too
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
bash "$root/scripts/setup.sh"
cd "$root"
export PATH="$root/.venv/bin:$PATH"
export NO_ALBUMENTATIONS_UPDATE=1 MLFLOW_DISABLE_TELEMETRY=true RAY_USAGE_STATS_ENABLED=0
export HF_HUB_DISABLE_TELEMETRY=1 HF_HUB_OFFLINE=1 # a test that wants a download fails, wherever it runs

if [ -z "${GEOTUNE_CACHE:-}" ]; then # no test may pass because of what an older run left behind
  GEOTUNE_CACHE=$(mktemp -d)
  export GEOTUNE_CACHE
  trap 'rm -rf "$GEOTUNE_CACHE"' EXIT
fi

ruff check geotune tests scripts
ruff format --check geotune tests scripts
mypy
lint-imports
pytest -n 2 --dist loadgroup --no-loadscope-reorder "$@" # last: its closing line is the summary that CI reads
