#!/bin/sh
# Install the Debian packages of packages.txt that are missing. Without root or sudo: print them and go on.
set -u
list=$(sed 's/#.*//' "$(dirname "$0")/packages.txt" | tr -s '\n ' ' ')
missing=
for package in $list; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
[ -z "$missing" ] && exit 0

if [ "$(id -u)" = 0 ]; then as_root=
elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then as_root=sudo
elif command -v sudo >/dev/null 2>&1 && [ -t 0 ]; then as_root=sudo
else
  echo "These Debian packages are missing and this user may not install them:" >&2
  echo "  apt-get install -y$missing" >&2
  echo "Ask whoever may. The build goes on with what is here." >&2
  exit 0
fi
echo "installing Debian packages:$missing"
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get update -q >/dev/null || echo "apt-get update failed: check the network and /etc/apt/sources.list" >&2
# shellcheck disable=SC2086
if ! $as_root apt-get install -y -q --no-install-recommends $missing >/dev/null; then
  echo "packages.sh: apt-get could not install:$missing" >&2
  echo "Run 'apt-get install -y$missing' by hand to see why (easel wants Debian 12)." >&2
  exit 1
fi
