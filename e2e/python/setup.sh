#!/bin/sh
# Makes e2e/.venv with the pinned packages unless it is there; prints its interpreter.
set -eu
cd "$(dirname "$0")"
venv=../.venv
stamp=$venv/requirements.txt
if ! cmp -s requirements.txt "$stamp"; then
    rm -rf "$venv"
    python3 -m venv "$venv" >&2
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r requirements.txt >&2
    cp requirements.txt "$stamp"
fi
echo "$(cd "$venv" && pwd)/bin/python"
