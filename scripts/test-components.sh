#!/usr/bin/env bash
# Puts the real servers that tests talk to into .cache/components, unpacked only, nothing is
# installed: Prometheus 3.x, promtool, node_exporter and vmagent (the newest Debian packages, from sid; as Go
# programs they need nothing but libc), moto for S3 (sid) and OpenStack Swift with its s3api (of
# this Debian), both with the Python packages they need beside the system's Python, memcached, and
# azurite (npm, its own lock). The system's package sources are not touched. Safe to run again and
# at once with others: what is there is kept. Needs apt, npm and their network, as root or not.
# Prints the versions. What cannot be had is named; tests that need it then say so.
set -euo pipefail
cd "$(dirname "$0")/.."
dir=$PWD/.cache/components
programs=(prometheus promtool prometheus-node-exporter vmagent moto_server)
servers=(swift-proxy-server swift-object-server swift-account-server swift-container-server
  swift-ring-builder memcached)
sid=(prometheus promtool prometheus-node-exporter victoria-metrics python3-moto)
stable=(python3-flask python3-flask-cors python3-boto3 python3-xmltodict python3-responses
  python3-jinja2 python3-cryptography python3-dateutil python3-yaml
  swift-proxy swift-object swift-account swift-container swift memcached)
mkdir -p "$dir"
exec 9>"$dir/.lock"
flock 9

complete() {
  local name
  for name in "${programs[@]}" "${servers[@]}"; do [ -x "$dir/usr/bin/$name" ] || return 1; done
}

# Package lists of sid alone go below $dir, with signatures checked.
fetch() {
  local site options names
  mkdir -p "$dir/apt/lists/partial" "$dir/apt/debs"
  site() { apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | grep -m1 '/debian$' || true; }
  # A bare machine has no lists yet.
  [ -n "$(site)" ] || apt-get -qq update
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(site) sid main" >"$dir/apt/sid.list"
  options=(-o "Dir::Etc::sourcelist=$dir/apt/sid.list" -o Dir::Etc::sourceparts=/dev/null
    -o "Dir::State::Lists=$dir/apt/lists" -o APT::Sandbox::User=)
  apt-get "${options[@]}" -qq update
  # What of this Debian is not installed here, with all that it needs.
  names=$(apt-get install -s -qq -y --no-install-recommends "${stable[@]}" | awk '/^Inst/ { print $2 }')
  (
    cd "$dir/apt/debs"
    apt-get -o APT::Sandbox::User= -qq download $names
    # Last, so that they win over packages of the same name.
    for deb in *.deb; do dpkg -x "$deb" "$dir"; done
    rm -f ./*.deb
    apt-get "${options[@]}" -qq download "${sid[@]}"
    for deb in *.deb; do dpkg -x "$deb" "$dir"; done
  )
  rm -rf "$dir/apt"
}

# azurite has a lock of its own, which stands in test/components/azure.
fetch_azurite() {
  mkdir -p "$dir/azure"
  cp test/components/azure/package.json test/components/azure/package-lock.json "$dir/azure/"
  (cd "$dir/azure" && npm ci --ignore-scripts --no-fund --no-audit --loglevel=error) >/dev/null
}

# So has the SDK of OpenTelemetry, in test/components/otel.
fetch_otel() {
  mkdir -p "$dir/otel"
  cp test/components/otel/package.json test/components/otel/package-lock.json "$dir/otel/"
  (cd "$dir/otel" && npm ci --ignore-scripts --no-fund --no-audit --loglevel=error) >/dev/null
}

if ! complete; then
  command -v apt-get >/dev/null && command -v dpkg >/dev/null || {
    echo "test-components: apt-get and dpkg are needed to fetch ${sid[*]}" >&2
    exit 1
  }
  fetch
fi
if ! cmp -s test/components/azure/package-lock.json "$dir/azure/package-lock.json" ||
  [ ! -d "$dir/azure/node_modules/azurite" ]; then
  fetch_azurite
fi
if ! cmp -s test/components/otel/package-lock.json "$dir/otel/package-lock.json" ||
  [ ! -d "$dir/otel/node_modules/@opentelemetry/sdk-metrics" ]; then
  fetch_otel
fi
for name in prometheus promtool prometheus-node-exporter vmagent; do
  printf '%s: ' "$name"
  "$dir/usr/bin/$name" --version 2>&1 | sed -n 1p
done
version() { sed -n 's/^Version: //p' "$1" | sed -n 1p; }
for name in moto swift; do
  printf '%s: %s\n' "$name" "$(version "$(echo "$dir"/usr/lib/python3/dist-packages/"$name"-*/METADATA "$dir"/usr/lib/python3/dist-packages/"$name"-*/PKG-INFO | tr ' ' '\n' | while read -r f; do [ -f "$f" ] && echo "$f"; done | head -1)")"
done
printf 'opentelemetry: '
node -p "require('$dir/otel/node_modules/@opentelemetry/sdk-metrics/package.json').version"
printf 'azurite: '
node -p "require('$dir/azure/node_modules/azurite/package.json').version"
