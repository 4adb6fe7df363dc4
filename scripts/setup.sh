#!/usr/bin/env bash
# Makes .venv in the checkout and installs geotune there with everything that its demo and its tests need.
# The other scripts call it; when nothing is to be done it says nothing and takes a blink.
#
#   bash scripts/setup.sh
#
# GEOTUNE_PYTHON names the Python to use; without it the newest of 3.13, 3.12 and 3.11 is taken.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=$root/.venv
stamp=$venv/geotune-installed
needed_gb=10 # torch and its CUDA libraries, everything else, and what pip unpacks on its way

say() { printf 'geotune: %s\n' "$*" >&2; }

# What the installation depends on: the requirements, the Python, and where the checkout lies (a moved .venv is broken).
wanted() {
  "$venv/bin/python" - "$root" <<'PY' 2>/dev/null
import hashlib, pathlib, sys
root = pathlib.Path(sys.argv[1])
print(hashlib.sha256((root / "pyproject.toml").read_bytes()).hexdigest(), sys.version.split()[0], root)
PY
}

installed() {
  local now
  [ -s "$stamp" ] && now=$(wanted) && [ "$now" = "$(cat "$stamp")" ]
}

# A Python that is new enough and can make an environment; a name may exist and yet not run (pyenv's shims).
find_python() {
  local name found="" names=(python3.13 python3.12 python3.11 python3 python)
  if [ -n "${GEOTUNE_PYTHON:-}" ]; then names=("$GEOTUNE_PYTHON"); fi
  for name in "${names[@]}"; do
    "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || {
      "$name" -c '' 2>/dev/null && found="$found $("$name" -V 2>&1 | tr ' ' '-')"
      continue
    }
    "$name" -c 'import venv, ensurepip' 2>/dev/null && { command -v "$name"; return; }
    found="$found $("$name" -V 2>&1 | tr ' ' '-')-without-venv"
  done
  say "Python 3.11 or newer is needed, with its venv module; found:${found:- none}"
  say "install one (Debian and Ubuntu: apt-get install python3-venv), or name it: GEOTUNE_PYTHON=/path/to/python3.12"
  exit 2
}

check_disk() {
  local free_kb have_kb=0 need_kb=$((needed_gb * 1024 * 1024))
  if [ -d "$venv" ]; then have_kb=$(du -sk "$venv" | cut -f1); fi
  need_kb=$((need_kb - have_kb > 1048576 ? need_kb - have_kb : 1048576))
  free_kb=$(df -Pk "$root" | awk 'NR == 2 {print $4}')
  if [ "$free_kb" -lt "$need_kb" ]; then
    say "$((need_kb / 1048576)) GB of free disk are needed in $root; it has $((free_kb / 1048576)) GB"
    say "free some space, or clone the repository to a larger disk"
    exit 2
  fi
}

# pip writes a package's RECORD last: one without it was cut off, and pip would take it for installed.
drop_torn_packages() {
  local info
  for info in "$venv"/lib/python*/site-packages/*.dist-info; do
    if [ -d "$info" ] && [ ! -s "$info/RECORD" ]; then rm -rf "$info"; fi
  done
}

if installed; then exit 0; fi

if command -v flock >/dev/null; then # two scripts started at once: the second one waits for the first
  exec 9<"$root"
  flock 9
  if installed; then exit 0; fi
fi

if ! "$venv/bin/python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
  || { [ -s "$stamp" ] && [ "$(cut -d' ' -f3- "$stamp")" != "$root" ]; }; then
  fresh=yes
  python=$(find_python)
fi
check_disk
if [ "${fresh:-}" = yes ]; then
  say "making $venv with $("$python" -V)"
  "$python" -m venv --clear "$venv"
elif ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
  "$venv/bin/python" -m ensurepip --upgrade >/dev/null
fi
rm -f "$stamp"
drop_torn_packages
say "installing geotune and its libraries into .venv: some minutes and up to 7 GB, this once"
if ! (cd "$root" && "$venv/bin/python" -m pip install --disable-pip-version-check -e '.[demo,dev]'); then
  say "the installation did not finish; pip's lines above say why. Start the same command again to go on."
  exit 1
fi
wanted >"$stamp.tmp"
mv "$stamp.tmp" "$stamp"
say "installed; the next call starts at once and needs no network"
