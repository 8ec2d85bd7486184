# What the scripts share: where things are, who runs the server, the private copy of PostgreSQL.  Sourced by bash, not run.
set -euo pipefail
export LC_ALL=C.UTF-8 LANG=C.UTF-8
unset PGHOST PGPORT PGUSER PGDATABASE PGOPTIONS PGSERVICE

# top: the checkout.  major: the PostgreSQL to build for; 15 is what Debian 12 has (13 has 17: MAJOR=17).
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
major=${MAJOR:-15}

die() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; exit 1; }

# Runs a command as whoever owns the servers: oneself, or postgres when root (PostgreSQL refuses root).
as_server() {
  if [ "$(id -u)" = 0 ]; then (cd / && cd "${server_cwd:-/}" && HOME=/tmp exec runuser -u postgres -- "$@")
  else (cd "${server_cwd:-/}" && exec "$@"); fi
}

# Runs a command as root: by sudo when need be.
as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

# Sets `scratch`: build/ of the checkout, or a folder below /var/tmp when the server's user cannot reach the checkout
# (a clone in /root, a home folder of mode 700) or its path is one that make cannot handle (a space in it).
# `scratch`/run belongs to the server's user, all else to us.
find_scratch() {
  scratch=$top/build
  mkdir -p "$scratch"
  if [[ $top == *[^A-Za-z0-9_./+-]* ]] || ! as_server test -r "$scratch/." -a -x "$scratch"; then
    scratch=/var/tmp/pg_tviews-$(id -u)-$(printf '%s' "$top" | cksum | cut -d' ' -f1)
    mkdir -p "$scratch"
    [ "$(stat -c %u "$scratch")" = "$(id -u)" ] || die "$scratch belongs to somebody else"
    chmod 755 "$scratch"
  fi
  mkdir -p "$scratch/run"
  if [ "$(id -u)" = 0 ]; then chown postgres "$scratch/run"; fi
}

# Sets `pg_config`, `pgbin` and `pgxs_test`.  Without PG_CONFIG in the environment: a private relocated copy of Debian's PostgreSQL,
# so that nothing is installed below /usr and nobody needs to be root.  With PG_CONFIG: that one, installed into as it is.
find_postgres() {
  if [ -n "${PG_CONFIG:-}" ]; then
    pg_config=$PG_CONFIG
  else
    local from=/usr/lib/postgresql/$major copy=$scratch/pg stamp
    [ -x $from/bin/postgres ] || die "PostgreSQL $major is missing: run scripts/bootstrap"
    stamp=$(stat -c '%Y %s' $from/bin/postgres $from/lib/pgxs/src/Makefile.global $from/lib/plpgsql.so /usr/share/postgresql/$major/extension 2>/dev/null | tr '\n' ' ')
    if [ "$(cat "$copy/stamp" 2>/dev/null)" != "$stamp" ]; then
      rm -rf "$copy"
      mkdir -p "$copy/lib/postgresql" "$copy/share/postgresql"
      cp -a $from "$copy/lib/postgresql/"
      cp -a /usr/share/postgresql/$major "$copy/share/postgresql/"
      rm -f "$copy/lib/postgresql/$major/lib/pg_tviews.so" "$copy/share/postgresql/$major/extension/"pg_tviews*
      ln -s /usr/include "$copy/include"
      chmod 755 "$copy"
      printf '%s' "$stamp" > "$copy/stamp"
    fi
    pg_config=$copy/lib/postgresql/$major/bin/pg_config
  fi
  pgbin=$("$pg_config" --bindir)
  pgxs_test=$(dirname "$("$pg_config" --pgxs)")/../test
}

# Compiles and installs into the PostgreSQL of find_postgres.  Output goes to a log, shown when it fails.
build_and_install() {
  local log=$scratch/build.log
  if ! { make -C "$top" -j"${JOBS:-$(nproc)}" PG_CONFIG="$pg_config" CI="${CI:-}" && make -C "$top" install PG_CONFIG="$pg_config"; } > "$log" 2>&1; then
    grep -vE '^(g\+\+|/usr/bin/(install|mkdir)|make\[[0-9]+\]: (Enter|Leav))' "$log" | tail -n 80 >&2
    return 1
  fi
}

# Copies what servers and tests read (they may not be able to read the checkout) to `tree`.
copy_tree() {
  tree=$scratch/tree
  rm -rf "$tree"
  mkdir -p "$tree/test/expected"
  (cd "$top" && tar -cf - --exclude=__pycache__ $(ls -d README.md demo docs test scripts sql bench 2>/dev/null)) | tar -xf - -C "$tree" --no-same-owner
  chmod -R a+rX "$tree"
}
