#!/usr/bin/env bash
# Builds the image of deploy/Dockerfile and tries it: tests/test_image.py, a few minutes.
#
#   deploy/try_image.sh                # with docker, or TOOL=podman; PIP_EXTRA_INDEX_URL is handed on
#   deploy/try_image.sh --stand-in     # as root with podman, runc and debootstrap, where no registry of images is reached:
#                                      # Debian 12 with its Python stands in for the base image, pip is set up as it is here
set -euo pipefail
cd "$(dirname "$0")/.."
image=${IMAGE:-tramontane-try}
build=(build -f deploy/Dockerfile -t "$image" --build-arg "PIP_EXTRA_INDEX_URL=${PIP_EXTRA_INDEX_URL:-}")
try=(env PYTHONPATH="$PWD/src" TRAMONTANE_IMAGE="$image" .venv/bin/python -m pytest tests/test_image.py)
test -x .venv/bin/python || { echo "The tests need .venv: make check makes it"; exit 1; }

if [ "${1:-}" != --stand-in ]; then
  tool=${TOOL:-docker}
  case $tool in *podman*) build+=(--format docker) ;; esac
  $tool "${build[@]}" .
  TRAMONTANE_IMAGE_TOOL=$tool exec "${try[@]}"
fi

for program in podman runc debootstrap unshare ip; do
  command -v $program >/dev/null || { echo "$program is missing (Debian: apt-get install podman runc debootstrap iproute2)"; exit 1; }
done
tool="podman --runtime runc"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
base=docker.io/library/python:3.12-slim
if ! podman image exists $base; then
  debootstrap --variant=minbase --include=python3,python3-venv bookworm "$work/base" >"$work/debootstrap.log" \
    || { tail "$work/debootstrap.log"; exit 1; }
  rm -rf "$work"/base/var/cache/apt/archives/*.deb "$work"/base/var/lib/apt/lists/*
  ln -s /usr/bin/python3 "$work/base/usr/local/bin/python"
  tar --numeric-owner -C "$work/base" -c . | podman import - $base
fi
# What pip is told here is mounted while the image is built, and nothing of it stays there.
printf '[global]\n' >"$work/pip.conf"
for name in cert find-links index-url; do
  variable=PIP_$(tr a-z- A-Z_ <<<$name)
  [ -z "${!variable:-}" ] || printf '%s = %s\n' $name "${!variable}" >>"$work/pip.conf"
done
build+=(--format docker --layers --isolation chroot --network host --volume "$work/pip.conf:/etc/pip.conf:ro")
[ -z "${PIP_CERT:-}" ] || build+=(--volume "$(dirname "$PIP_CERT"):$(dirname "$PIP_CERT"):ro")
[ ! -d "${PIP_FIND_LINKS:-}" ] || build+=(--volume "$PIP_FIND_LINKS:$PIP_FIND_LINKS:ro")
$tool "${build[@]}" .
# Port 8000 of a network of its own, which ends with the tests; no limit is asked for that is above those here.
unshare --net bash -c 'ip link set lo up && exec "$@"' - env TRAMONTANE_IMAGE_TOOL="$tool" \
  TRAMONTANE_IMAGE_OPTIONS="--network host --ulimit nofile=$(ulimit -Hn):$(ulimit -Hn) --ulimit nproc=4096:4096" "${try[@]}"
