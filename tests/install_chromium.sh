#!/usr/bin/env bash
# Install the browser that the tests of pages drive, on Debian and Ubuntu (as root). Repeatable.
set -euo pipefail
if command -v chromium || command -v chromium-browser || command -v google-chrome; then exit 0; fi
[ "$(id -u)" = 0 ] || { echo "install_chromium.sh: needs root" >&2; exit 2; }
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -y -q --no-install-recommends chromium
chromium --version
