#!/bin/sh
# Installs what the browser tests drive into .cache/frontend, from the lock file beside this script.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
target=$here/../../.cache/frontend

if cmp -s "$here/package-lock.json" "$target/node_modules/.installed-lock.json"; then exit 0; fi
echo "Installing the front-end packages of the browser tests (80 MB)"
mkdir -p "$target"
cp "$here/package.json" "$here/package-lock.json" "$target"
npm ci --prefix "$target" --ignore-scripts --no-audit --no-fund --loglevel=error
cp "$here/package-lock.json" "$target/node_modules/.installed-lock.json"
