#!/bin/sh
# Builds the image of the Dockerfile and tries it where no container engine runs: Debian's buildah with chroot isolation,
# on a base that debootstrap makes and that carries the name in the Dockerfile's FROM. Needs root and Debian's archive.
set -eu
cd "$(dirname "$0")/.."

if ! command -v buildah >/dev/null || ! command -v debootstrap >/dev/null; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends buildah debootstrap >/dev/null
fi

export BUILDAH_ISOLATION=chroot STORAGE_DRIVER=vfs
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export STORAGE_OPTS="" XDG_RUNTIME_DIR="$work"
buildah="buildah --root $work/storage --runroot $work/run"
base=$(sed -n 's/^ARG PYTHON_IMAGE=//p' Dockerfile)

echo "== base image $base, from debootstrap"
debootstrap --variant=minbase --include=python3,python3-dev,python3-venv,python-is-python3,ca-certificates bookworm "$work/base" \
  >"$work/debootstrap.log" 2>&1 || { tail -20 "$work/debootstrap.log"; exit 1; }
container=$($buildah from scratch)
$buildah copy -q "$container" "$work/base" / >/dev/null
$buildah commit -q "$container" "$base" >/dev/null
$buildah rm "$container" >/dev/null
rm -rf "$work/base"

echo "== build"
pip_options=""
for name in $(env | sed -n 's/^\(PIP_[A-Z_]*\)=.*/\1/p'); do pip_options="$pip_options --env $name"; done
# shellcheck disable=SC2086
$buildah build -q --format docker --pull-never --volume /etc/ssl/certs:/etc/ssl/certs:ro --tag portal-gateway . >/dev/null

echo "== try"
container=$($buildah from --pull-never portal-gateway)
fail() {
  echo "$1" >&2
  exit 1
}
$buildah run "$container" -- portal-gateway --help >/dev/null || fail "does not answer --help"
echo "answers --help"
$buildah run "$container" -- python -c "import portal_gateway.html._compiled, portal_gateway.wire._compiled" || fail "lacks a C extension"
echo "has the C extensions"
$buildah run "$container" -- python -c "import portal_gateway.http11.cycle as m; assert m.__file__.endswith('.so')" ||
  fail "is not compiled"
echo "is compiled"
[ "$($buildah run "$container" -- id -u)" = 10001 ] || fail "does not run as the user of its own"
echo "runs as user 10001"
$buildah inspect --type image portal-gateway >"$work/inspect.json"
grep -q '"Healthcheck"' "$work/inspect.json" || fail "has no health check"
echo "has a health check"
! grep -Eiq '(token|password|secret)=' "$work/inspect.json" || fail "the image's configuration holds a secret"

cat >"$work/portal-gateway.yaml" <<YAML
upstream: http://127.0.0.1:9
identity: [{source: whoami, path: /me, fields: {id: id}}]
portals: {success: {provider: planhat, api_token: {env: PLANHAT_API_TOKEN}}}
YAML
chmod 0755 "$work"
port=18080
$buildah run --volume "$work:/etc/portal-gateway:ro" --env PLANHAT_API_TOKEN=made-up "$container" -- \
  portal-gateway serve --config /etc/portal-gateway/portal-gateway.yaml --port "$port" &
serving=$!
python3 - "$port" <<'PY'
import sys, time, urllib.request
url = f"http://127.0.0.1:{sys.argv[1]}/portal/-/widget.js"
for _ in range(100):
    try:
        assert urllib.request.urlopen(url, timeout=2).status == 200
        break
    except OSError:
        time.sleep(0.2)
else:
    sys.exit("the image does not serve")
PY
echo "serves"
kill "$serving"
wait "$serving" 2>/dev/null || true
$buildah rm "$container" >/dev/null
echo "== the image is fine"
