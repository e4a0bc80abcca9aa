#!/bin/sh
# Unpacks the pages of documentation packages into .cache/real-pages, for tests/corpus/test_real_pages.py: other
# people's markup, from a dozen generators and in many languages. Nothing is installed; without apt it says so and fails.
set -eu
cd "$(dirname "$0")/../.."

pages=.cache/real-pages
# apache2-doc alone is in eleven languages; sqlite3-doc is written by hand.
packages="apache2-doc cmake-doc debian-faq-ja debian-faq-ru debian-policy-ja debian-reference-ja developers-reference-ja
doxygen-doc exim4-doc-html git-doc libcairo2-doc libcommons-lang3-java-doc libglib2.0-doc libxml2-doc nodejs-doc
python-django-doc python-jinja2-doc sqlite3-doc"

[ "$(cat "$pages/packages" 2>/dev/null)" != "$packages" ] || exit 0
if ! command -v apt-get >/dev/null 2>&1 || ! command -v dpkg-deb >/dev/null 2>&1; then
  echo "The corpus tests need pages from these Debian packages, and apt-get to download them:" $packages >&2
  exit 1
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
download() {
  # shellcheck disable=SC2086
  (cd "$work" && apt-get download -qq -o APT::Sandbox::User=root $packages)
}
echo "Downloading pages for the corpus tests (35 MB)"
if ! download 2>/dev/null; then
  [ "$(id -u)" != 0 ] || apt-get update -qq
  download
fi

mkdir "$work/pages"
for archive in "$work"/*.deb; do
  name=$(basename "$archive")
  mkdir "$work/pages/${name%%_*}"
  dpkg-deb --fsys-tarfile "$archive" | tar -x -C "$work/pages/${name%%_*}" --wildcards '*.html'
done
printf '%s\n' "$packages" > "$work/pages/packages"
rm -rf "$pages"
mkdir -p .cache
mv "$work/pages" "$pages"
