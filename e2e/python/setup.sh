#!/bin/sh
# Makes e2e/$1 with the packages pinned in $2 unless it is there; prints its interpreter.
set -eu
cd "$(dirname "$0")"
venv=../$1
requirements=$2
stamp=$venv/requirements.txt
if ! cmp -s "$requirements" "$stamp"; then
    rm -rf "$venv"
    python3 -m venv "$venv" >&2
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$requirements" >&2
    cp "$requirements" "$stamp"
fi
echo "$(cd "$venv" && pwd)/bin/python"
