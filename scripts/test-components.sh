#!/usr/bin/env bash
# Puts the real servers that tests talk to into .cache/components: Prometheus 3.x, promtool and
# node_exporter, the newest Debian packages (sid), unpacked only; as Go programs they need nothing
# but libc. The system's own package sources are not touched. Safe to run again and at once with
# others: what is there is kept. Needs apt and its network, as root or not. Prints the versions.
set -euo pipefail
cd "$(dirname "$0")/.."
dir=$PWD/.cache/components
packages=(prometheus promtool prometheus-node-exporter)
mkdir -p "$dir"
exec 9>"$dir/.lock"
flock 9

complete() {
  local name
  for name in "${packages[@]}"; do [ -x "$dir/usr/bin/$name" ] || return 1; done
}

# index: where package lists go; lists of sid alone, with signatures checked.
fetch() {
  local site options
  mkdir -p "$dir/apt/lists/partial" "$dir/apt/debs"
  site() { apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | grep -m1 '/debian$' || true; }
  # A bare machine has no lists yet.
  [ -n "$(site)" ] || apt-get -qq update
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(site) sid main" >"$dir/apt/sid.list"
  options=(-o "Dir::Etc::sourcelist=$dir/apt/sid.list" -o Dir::Etc::sourceparts=/dev/null
    -o "Dir::State::Lists=$dir/apt/lists" -o APT::Sandbox::User=)
  apt-get "${options[@]}" -qq update
  (cd "$dir/apt/debs" && apt-get "${options[@]}" -qq download "${packages[@]}")
  for deb in "$dir"/apt/debs/*.deb; do dpkg -x "$deb" "$dir"; done
  rm -rf "$dir/apt"
}

if ! complete; then
  command -v apt-get >/dev/null && command -v dpkg >/dev/null || {
    echo "test-components: apt-get and dpkg are needed to install ${packages[*]}" >&2
    exit 1
  }
  fetch
fi
for name in "${packages[@]}"; do
  printf '%s: ' "$name"
  "$dir/usr/bin/$name" --version 2>&1 | sed -n 1p
done
