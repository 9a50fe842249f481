#!/usr/bin/env bash
# Builds the image of the Dockerfile without a daemon, looks at what came out, and runs the main job in it.
#
#   scripts/image-check.sh                  builds, checks, runs; some 15 minutes, and needs root
#   scripts/image-check.sh --reproducible   builds twice, and compares
#
# The two images that the Dockerfile names are made here: Debian's from Debian's packages, and Swift's from
# that with the toolchain of this machine mounted into it. So what is checked is the Dockerfile, not the
# images of others. What it writes: .build/image/tandem.tar.gz, the image for `docker load`, and
# .build/image/tandem.spdx.json, the packages that are in it.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/tools.sh

MEGABYTES_MAX=120
OUT=.build/image
ISOLATION=(--isolation chroot)
IMAGE=localhost/tandem:image-check
# Debian's own small image leaves these out as well.
SMALL=(--dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*'
    --dpkgopt='path-include=/usr/share/doc/*/copyright' --dpkgopt='path-exclude=/usr/share/locale/*'
    --dpkgopt='path-exclude=/usr/share/info/*' --dpkgopt='path-exclude=/usr/share/lintian/*')
# What Swift's toolchain needs of Debian.
FOR_SWIFT=binutils,ca-certificates,git,libc6-dev,libedit2,libgcc-12-dev,libncurses6,libsqlite3-0,libstdc++-12-dev,libxml2,pkg-config,zlib1g-dev

said() { echo "image-check: $*"; }
failed() { echo "image-check: $*" >&2; exit 1; }

ready() {
    [[ $EUID -eq 0 ]] || failed "expected root, which building in a chroot needs."
    local missing=()
    for tool in buildah mmdebstrap; do command -v "$tool" >/dev/null || missing+=("$tool"); done
    command -v readelf >/dev/null || missing+=(binutils)
    if [[ ${#missing[@]} -gt 0 ]]; then
        command -v apt-get >/dev/null || failed "expected these tools, which are not here: ${missing[*]}"
        said "installing ${missing[*]}"
        apt-get update -q >/dev/null
        DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "${missing[@]}" >/dev/null
    fi
}

# base NAME INCLUDED...: an image of that name from Debian's packages, the same bytes each time.
base() {
    local name=$1 container
    shift
    mmdebstrap --quiet --variant=minbase --aptopt='Apt::Install-Recommends "false"' "${SMALL[@]}" "$@" \
        bookworm "$OUT/base.tar"
    container=$(buildah from scratch)
    buildah add --quiet "$container" "$OUT/base.tar" / >/dev/null
    prepared "$container"
    buildah commit --quiet --rm --timestamp "$SOURCE_DATE_EPOCH" "$container" "$name" >/dev/null
    rm "$OUT/base.tar"
}

# What a base gets beside its packages.
prepared() { :; }

# Swift's image finds the toolchain where it is mounted, and packages where git is told to look here.
prepared_for_swift() {
    local key value
    buildah config --env "PATH=$TOOLCHAIN/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" "$1"
    while read -r key value; do
        buildah run "${ISOLATION[@]}" "$1" -- git config --system --add "$key" "$value"
        [[ $key =~ ^url\.(/.*)\.insteadof$ ]] && MOUNTS+=(--volume "${BASH_REMATCH[1]}:${BASH_REMATCH[1]}:ro")
    done < <(git config --get-regexp '^url\..*\.insteadof$' || true)
    buildah run "${ISOLATION[@]}" "$1" -- git config --system --add safe.directory '*'
}

made_bases() {
    local debian swift
    swift=$(sed -nE 's/^FROM (swift:[^ ]+) AS build$/\1/p' Dockerfile)
    debian=$(sed -nE 's/^FROM (debian:[^ ]+)$/\1/p' Dockerfile)
    [[ -n $swift && -n $debian ]] || failed "expected the Dockerfile to start from swift:... and debian:..."
    TOOLCHAIN=$(dirname "$(dirname "$(readlink -f "$(command -v swiftc)")")")
    MOUNTS=(--volume "$TOOLCHAIN:$TOOLCHAIN:ro")
    said "making $debian from Debian's packages"
    base "docker.io/library/$debian"
    said "making $swift, with the toolchain of this machine"
    prepared() { prepared_for_swift "$1"; }
    base "docker.io/library/$swift" "--include=$FOR_SWIFT"
}

built() {
    local began=$SECONDS
    said "building the image; the program takes some 10 minutes"
    buildah build "${ISOLATION[@]}" --format docker --pull-never --no-cache \
        --build-arg "SOURCE_DATE_EPOCH=$SOURCE_DATE_EPOCH" \
        --timestamp "$SOURCE_DATE_EPOCH" "${MOUNTS[@]}" --tag "$IMAGE" . > "$OUT/build.log" 2>&1 \
        || { tail -n 30 "$OUT/build.log" >&2; failed "the build failed; all of it is in $OUT/build.log"; }
    said "built in $((SECONDS - began)) s"
}

saved() {
    rm -f "$1"
    buildah push --quiet "$IMAGE" "docker-archive:$1:tandem:image-check"
}

digest() { buildah inspect --type image --format '{{.FromImageDigest}}' "$IMAGE"; }

# expect WHAT GOT WANTED
expect() { [[ $2 == "$3" ]] || failed "$1: expected $3, got $2"; }

checked_configuration() {
    expect "the user" "$(buildah inspect --type image --format '{{.OCIv1.Config.User}}' "$IMAGE")" 10001:10001
    [[ $(buildah inspect --type image --format '{{.Docker.Config.Healthcheck}}' "$IMAGE") == *health* ]] \
        || failed "expected the image to have a health check"
}

checked_program() {
    local program=$1 header
    header=$(readelf -hldW "$program")
    grep -qE 'Type: +DYN \(Position-Independent' <<< "$header" || failed "the program is not position-independent"
    grep -q 'GNU_RELRO' <<< "$header" || failed "the program has no read-only relocations (RELRO)"
    grep -qE 'FLAGS_1.*NOW' <<< "$header" || failed "the program binds lazily, so its relocations stay writable"
    grep -qE 'GNU_STACK.* RW ' <<< "$header" || failed "the program's stack is executable"
    # $ORIGIN is the folder that the program is in.
    if grep 'RUNPATH' <<< "$header" | grep -qvF '[$ORIGIN]'; then failed "the program looks for libraries in folders of the build"; fi
    said "the program: PIE, full RELRO, a stack that is not executable"
}

checked_size() {
    gzip --no-name --keep --force "$OUT/tandem.tar"
    local megabytes=$(($(stat --format %s "$OUT/tandem.tar.gz") / 1000000))
    ((megabytes < MEGABYTES_MAX)) || failed "expected less than $MEGABYTES_MAX MB compressed, got $megabytes"
    said "$megabytes MB compressed"
}

checked_files() {
    local writable
    writable=$(find "$1" -xdev -perm -0002 ! -type l ! -path "$1/tmp" ! -path "$1/var/tmp" \
        ! -path "$1/run/lock" ! -path "$1/dev/*" -print -quit)
    [[ -z $writable ]] || failed "everybody may write to ${writable#"$1"}"
    [[ ! -e $1/usr/bin/swift ]] || failed "the toolchain is in the image"
}

# A command that runs the image's program as its user, with the image as a root that cannot be written.
# Only temporary files of this machine are seen in it, where the run's configuration is.
entering() {
    cat > "$OUT/enter" <<SCRIPT
#!/bin/bash
exec unshare --mount bash -c '
    mount --make-rprivate /
    mount --bind "$1" "$1"
    mount --bind /tmp "$1/tmp"
    mount --bind /dev "$1/dev"
    mount -t proc proc "$1/proc"
    mount -o remount,bind,ro "$1"
    exec chroot "$1" setpriv --reuid 10001 --regid 10001 --clear-groups --pdeathsig KILL tandem "\$@"' enter "\$@"
SCRIPT
    chmod +x "$OUT/enter"
}

main() {
    ready
    tools_ready scripts/image.txt .tools/image
    mkdir -p "$OUT"
    SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
    export SOURCE_DATE_EPOCH
    made_bases
    built
    saved "$OUT/tandem.tar"
    checked_configuration
    checked_size
    local container root
    container=$(buildah from --pull-never "$IMAGE")
    # shellcheck disable=SC2064
    trap "buildah rm '$container' >/dev/null" EXIT
    root=$(buildah mount "$container")
    checked_program "$root/usr/local/bin/tandem"
    checked_files "$root"
    .tools/image/bin/python scripts/image_sbom.py "$root" "$("$root/usr/local/bin/tandem" --version)" "$OUT/tandem.spdx.json"
    entering "$root"
    "$OUT/enter" --version
    said "the main job, in the image"
    Reliability/run --binary "$PWD/$OUT/enter" image
    if [[ ${1:-} == --reproducible ]]; then
        local first
        first=$(sha256sum < "$OUT/tandem.tar")
        built
        saved "$OUT/tandem-again.tar"
        expect "two builds of one commit" "$(sha256sum < "$OUT/tandem-again.tar")" "$first"
        said "two builds gave the same bytes"
    fi
    rm -f "$OUT/tandem.tar" "$OUT/tandem-again.tar"
    said "passed"
}

main "$@"
