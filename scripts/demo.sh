#!/usr/bin/env bash
# The whole of geotune on embedded satellite pictures, in some minutes on a laptop: installs itself, searches, trains
# the winner in full, measures it once on unseen places. Words behind it go to the search.
#
#   bash scripts/demo.sh [trials=8 time=5m seed=1 …]
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
bash "$root/scripts/setup.sh"
from=$PWD
cd "$root"
.venv/bin/geotune search space=demo "$@"

go=""
if [ "$from" != "$root" ]; then go="cd $(printf '%q' "$root") && "; fi
printf '\nCompare the trials in your browser (MLflow):\n  %s.venv/bin/geotune ui\n' "$go"
printf 'Search your own photos:\n'
printf '  %s.venv/bin/geotune data import PHOTOS data/town\n' "$go"
printf '  %s.venv/bin/geotune search space=img2gps_cpu data=data/town\n' "$go"
