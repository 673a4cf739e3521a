#!/usr/bin/env bash
# Build the Dockerfile where there is no Docker engine: buildah (chroot isolation, vfs storage) on a base made with
# debootstrap, then try the image. `make test-docker [TARGETS="postprocess cpu"]`; needs root, Debian, ~10 GB of disk.
set -euo pipefail
cd "$(dirname "$0")/../.."
[ "$(id -u)" = 0 ] || { echo 'make test-docker needs root (chroot).'; exit 2; }
command -v buildah debootstrap >/dev/null || apt-get install -q -y --no-install-recommends buildah debootstrap
work=${WORK:-$(mktemp -d /tmp/tmtv-docker.XXXX)}
targets=${TARGETS:-postprocess}
buildah="buildah --storage-driver vfs --root $work/storage --runroot $work/run"
mkdir -p "$work"

if ! $buildah inspect --type image localhost/base >/dev/null 2>&1; then
  debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates bookworm "$work/rootfs" \
      "${DEBIAN_MIRROR:-$(sed -n 's/^URIs: //p; s/^deb \([^ ]*\) .*/\1/p' /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | head -n 1)}"
  # This machine's own way to PyPI, for machines behind a mirror.
  for file in /etc/pip.conf /etc/ssl/certs/ca-certificates.crt; do
    [ ! -e "$file" ] || cp "$file" "$work/rootfs$file"
  done
  container=$($buildah from scratch)
  $buildah add -q "$container" "$work/rootfs" /
  $buildah commit -q --rm "$container" localhost/base
  rm -rf "$work/rootfs"
fi

for target in $targets; do
  $buildah build --isolation chroot --network host --build-arg BASE_IMAGE=localhost/base --target "$target" -t "tmtv:$target" .
  container=$($buildah from "localhost/tmtv:$target")
  run() { $buildah run --isolation chroot "$container" -- "$@"; }
  root=$($buildah mount "$container")
  echo "$target: $(du -sm "$root" | cut -f 1) MB, of which $(du -sm "$root/opt/tmtv" | cut -f 1) MB Python packages"
  run id -un | grep -qx tmtv
  run tmtv-postprocess --help >/dev/null
  cp tests/docker/smoke.py "$root/tmp/smoke.py"
  run python /tmp/smoke.py "$target"
  $buildah umount "$container" >/dev/null
  $buildah rm "$container" >/dev/null
done
[ -n "${WORK:-}" ] || { $buildah rmi -a -f >/dev/null; rm -rf "$work"; }
