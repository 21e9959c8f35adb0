#!/bin/bash
# Another release for VPS_2, and no answer cut: cluster/vps_2/upgrade.sh [--dry-run] [--restart | --rollback]
#   --restart   shut the door, let answers end (11 minutes at most), then start Ray anew: where it is needed
#   --rollback  go back to the release before
# From a checkout, as root; or from the release that runs, after a change in /etc/tercet/config. docs/operating.md
set -euo pipefail
# shellcheck source=cluster/vps_2/steps.sh
. "$(dirname "$0")/steps.sh"
umask 022

# What the head has been started with and does not take up while it runs.
heads=(cluster/vps_2/head.py cluster/vps_2/units/tercet-head.service cluster/ray.env cluster/haproxy
  cluster/loopback.py cluster/tunnel.py)

needs_restart() {
  local running file
  running=$(cat "$state/head-release" 2> /dev/null || true)
  [ -d "$running" ] || return 1
  for file in "${heads[@]}"; do
    cmp -s "$running/$file" "$release/$file" || { echo "$file"; return 0; }
  done
  [ "$(grep -h '^ray==' "$running/requirements.lock")" = "$(grep -h '^ray==' "$release/requirements.lock")" ] ||
    { echo "Ray's version"; return 0; }
  return 1
}

roll() {
  put_units
  [ -z "$restart" ] || run systemctl stop tercet.target tercet-edge tercet-deploy tercet-head
  switch
  if [ -n "$restart" ]; then
    # A busy machine may not start Ray the first time, and systemd tries again.
    run systemctl start tercet.target tercet-head tercet-deploy tercet-edge || run systemctl start tercet-deploy
    return
  fi
  run systemctl reload-or-restart tercet-deploy || return
  # Nobody notices these: a copy more, a look more, and the edge goes on with the answers it has.
  run systemctl try-restart tercet-backup tercet-watch
  run systemctl try-reload-or-restart tercet-edge
}

restart= rollback=
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) sed -n '2,/^set/{s/^# \?//p}' "$0"; exit ;;
    --dry-run) dry=yes ;;
    --restart) restart=yes ;;
    --rollback) rollback=yes ;;
    *) die "there is no option $1" ;;
  esac
  shift
done
need_root
[ -n "$(now)" ] || die "nothing is installed; install.sh does it"
if [ -n "$rollback" ]; then
  release=$(readlink -e "$opt/previous" || true)
  [ -d "$release" ] || die "there is no release before $(now)"
else
  name_release
  make_release
fi
link_config
check_release
if [ -z "$restart" ] && [ -d "$release" ] && why=$(needs_restart); then
  die "Ray has to be started anew for $release ($why is another): add --restart. Nothing was changed"
fi
before=$(now) earlier=$(readlink "$opt/previous" || true)
if ! roll; then
  [ "$before" != "$release" ] || die "it does not run; journalctl -u tercet-deploy says why"
  echo "tercet: $release does not run; going back to $before" >&2
  release=$before
  roll || true
  if [ -n "$earlier" ]; then run ln -sfn "$earlier" "$opt/previous"; else run rm "$opt/previous"; fi
  die "went back; journalctl -u tercet-deploy says why"
fi
prune
echo "runs: $(now)"
