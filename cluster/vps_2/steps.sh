# Sourced by install.sh and upgrade.sh: the steps that both take. What changes anything goes through `run` or
# `put`, which with dry=yes only say so.
here=$(cd "$(dirname "$0")" && pwd -P)
source=$(cd "$here/../.." && pwd -P)
etc=/etc/tercet opt=/opt/tercet state=/var/lib/tercet units=/etc/systemd/system
parts=(tercet router deployments cluster config docs serve_config.yaml pyproject.toml README.md requirements.lock)
kept=5
rental_opens='from cluster.rentals.opening import *; provider_in_force(rules_in_force())'
dry=

die() { echo "tercet: $*" >&2; exit 1; }
need_root() { [ "$(id -u)" = 0 ] || [ -n "$dry" ] || die "start this as root"; }
run() { echo "+ $*"; [ -n "$dry" ] || "$@"; }

# put MODE OWNER FILE: standard input into FILE, if that changes it. Its text is not shown: it may be a secret.
put() {
  local new; new=$(cat; echo .)
  if [ -f "$3" ] && [ "$(cat "$3"; echo .)" = "$new" ]; then return; fi
  echo "+ write $3 ($1 $2)"
  [ -z "$dry" ] || return 0
  # Made with its mode and owner before it holds anything.
  install -m "$1" -o "${2%:*}" -g "${2#*:}" /dev/null "$3.new"
  printf %s "${new%.}" > "$3.new"
  mv "$3.new" "$3"
}

folder() {
  [ "$(stat -c %a:%U:%G "$3" 2> /dev/null || true)" = "$1:$2" ] || run install -d -m "$1" -o "${2%:*}" -g "${2#*:}" "$3"
}
link() { [ "$(readlink "$2" 2> /dev/null || true)" = "$1" ] || run ln -sfn "$1" "$2"; }
now() { readlink -e "$opt/current" 2> /dev/null || true; }

packed() {
  tar -C "$source" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --mode=go=u-w \
    --exclude=__pycache__ -cf - "${parts[@]}"
}

# A release is named by what is in it, so the same one is never made twice; run from a release, it is that one.
name_release() {
  case $source in
    "$opt"/releases/*) release=$source ;;
    *) release=$opt/releases/$(packed | sha256sum | cut -c1-12) ;;
  esac
}

make_release() {
  [ ! -e "$release/.made" ] || return 0
  echo "+ make $release of $source: a copy, and an environment from requirements.lock (1 GB, hashes checked)"
  [ -z "$dry" ] || return 0
  rm -rf "$release"
  install -d -m 755 "$release"
  packed | tar -C "$release" -xf -
  python3 -m venv "$release/venv"
  local pip=("$release/venv/bin/python" -m pip install -q --disable-pip-version-check --no-cache-dir)
  "${pip[@]}" --require-hashes --no-deps -r "$release/requirements.lock"
  "${pip[@]}" --no-deps --no-build-isolation -e "$release"
  "$release/venv/bin/python" -m compileall -q "$release" > /dev/null || true
  chmod -R go-w "$release"
  touch "$release/.made"
}

# Files in /etc/tercet/config stand for those of the release.
link_config() {
  local file
  while read -r file; do
    [ -z "$dry" ] || [ -d "$release" ] || break
    link "$etc/config/$file" "$release/config/$file"
  done < <(cd "$etc/config" 2> /dev/null && find . -type f -printf '%P\n')
}

check_release() {
  [ -z "$dry" ] || return 0
  (cd / && "$release/venv/bin/python" -c 'from tercet.config import load; load()') ||
    die "$release cannot run with the configuration there is; nothing was changed. The reason is above"
  # Without the account's key Ray's monitor ends, and the whole head with it.
  grep -qs '^TERCET_HEAD=tunnel' "$etc/site.env" || return 0
  (cd / && setpriv --reuid tercet --regid tercet --init-groups "$release/venv/bin/python" -c "$rental_opens") ||
    die "no machine can be rented with the configuration there is; nothing was changed. The reason is above"
}

# `previous` is where a rollback goes.
switch() {
  local before; before=$(now)
  [ "$before" != "$release" ] || return 0
  [ -z "$before" ] || run ln -sfn "$before" "$opt/previous"
  run ln -sfn "$release" "$opt/current.new"
  run mv -T "$opt/current.new" "$opt/current"
}

# The head's processes go on running from the release they were started from, and a rented machine's key, kept as
# long as its disk, names what answers it there.
prune() {
  local old in_use keys=$state/rental/authorized_keys
  in_use=" $(now) $(readlink -e "$opt/previous" || true) $(cat "$state/head-release" 2> /dev/null || true) "
  for old in $(ls -dt "$opt"/releases/*/ 2> /dev/null | tail -n "+$((kept + 1))"); do
    case $in_use in *" ${old%/} "*) continue ;; esac
    grep -qsF "$old" "$keys" || run rm -rf "${old%/}"
  done
}

put_units() {
  local unit changed= from=$release/cluster/vps_2/units
  [ -d "$from" ] || from=$here/units  # a dry run makes no release
  folder 755 root:root "$units/tercet-.service.d"
  for unit in $(cd "$from" && find . -type f -printf '%P\n' | sort); do
    cmp -s "$from/$unit" "$units/$unit" || changed=yes
    put 644 root:root "$units/$unit" < "$from/$unit"
  done
  [ -z "$changed" ] || run systemctl daemon-reload
}
