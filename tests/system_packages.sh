#!/bin/sh
# Installs the servers and the browser that the tests drive: real ones, from Debian's packages; and fetches the pages of
# the corpus tests and the front-end packages of the browser tests. Without root or apt it says what is missing and fails.
set -eu

missing=""
need() { # need COMMAND PACKAGE
  command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ] || missing="$missing $2"
}
need caddy caddy
need chromium chromium
need gcc "gcc libc6-dev"
need nginx nginx-light
need node nodejs
need npm npm
need redis-server redis-server

if [ -z "$missing" ]; then
  : # all there
elif [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  echo "Installing for the tests:$missing"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  # shellcheck disable=SC2086
  apt-get install -y -qq --no-install-recommends $missing fonts-dejavu-core >/dev/null
else
  echo "The tests need these programs, which are not installed:$missing" >&2
  echo "On Debian or Ubuntu: sudo apt-get install$missing" >&2
  exit 1
fi

sh "$(dirname "$0")/corpus/fetch_pages.sh"
sh "$(dirname "$0")/frontend/install.sh"
