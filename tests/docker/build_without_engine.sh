#!/usr/bin/env bash
# Build the Dockerfile where there is no Docker engine: buildah (chroot isolation, vfs storage) on a base made with
# debootstrap, then try each image as `docker run --user` would, with a mounted folder and a user it does not know.
#   make test-docker [TARGETS="postprocess cpu gpu"] [WORK=/tmp/folder, which keeps the base for the next time]
# Needs root and Debian, and for a while 5 GB of disk (postprocess), 12 GB (cpu) or 40 GB (gpu).
set -euo pipefail
cd "$(dirname "$0")/../.."
[ "$(id -u)" = 0 ] || { echo 'make test-docker needs root (chroot).'; exit 2; }
for tool in buildah debootstrap gcc; do
  command -v $tool >/dev/null || apt-get install -q -y --no-install-recommends $tool
done
work=${WORK:-$(mktemp -d /tmp/tmtv-docker.XXXX)}
buildah="buildah --storage-driver vfs --root $work/storage --runroot $work/run"
export TMPDIR=$work/tmp
mkdir -p "$TMPDIR"
megabytes() { du -sm "$1" | cut -f 1; }
clean() {
  $buildah rm -a >/dev/null || true
  [ -n "${WORK:-}" ] || { $buildah rmi -a -f >/dev/null || true; rm -rf "$work"; }
}
trap clean EXIT

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

for target in ${TARGETS:-postprocess}; do
  start=$SECONDS
  $buildah build --isolation chroot --network host --build-arg BASE_IMAGE=localhost/base --target "$target" -t "tmtv:$target" .
  echo "$target: built in $((SECONDS - start)) s"
  container=$($buildah from "localhost/tmtv:$target")
  root=$($buildah mount "$container")
  echo "$target: $(megabytes "$root") MB, of which $(megabytes "$root/opt/tmtv") MB Python packages"
  $buildah inspect --format '{{.OCIv1.Config.User}}: {{.OCIv1.Config.Entrypoint}} {{.OCIv1.Config.Cmd}} in {{.OCIv1.Config.WorkingDir}}' "$container"
  $buildah run --isolation chroot "$container" -- id -un | grep -qx tmtv
  data=$(mktemp -d)
  cp tests/docker/smoke.py "$data"
  mkdir "$data/driver"
  gcc -shared -fPIC -o "$data/driver/libcuda.so.1" tests/docker/driver.c
  cp "$data/driver/libcuda.so.1" "$data/driver/libnvidia-ml.so.1"
  chown -R 1234:1234 "$data"
  $buildah run --isolation chroot --user 1234:1234 --volume "$data:/data" "$container" -- python smoke.py "$target" /data
  $buildah rm -a >/dev/null
  $buildah rmi -f "localhost/tmtv:$target" >/dev/null
  rm -rf "$data"
done
