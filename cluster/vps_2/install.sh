#!/bin/bash
# Make a Debian 12 machine VPS_2: cluster/vps_2/install.sh [--dry-run] [--uninstall] [--acme MAIL] NAME
#   NAME         under which callers reach it, for the certificate: tercet.example.org
#   --dry-run    say what would be changed, and change nothing
#   --acme MAIL  have a certificate from Let's Encrypt; NAME has to lead here, and port 80 to be open
#   --uninstall  take away what runs; /etc/tercet and /var/lib/tercet stay, with the keys and the ledger
# Again and again it changes only what is not as it should be. From a checkout, as root. docs/operating.md
set -euo pipefail
# shellcheck source=cluster/vps_2/steps.sh
. "$(dirname "$0")/steps.sh"
umask 022

packages() {
  local missing=() package had_haproxy=yes
  for package in python3-venv haproxy nftables openssl openssh-client openssh-server ca-certificates; do
    dpkg -s "$package" > /dev/null 2>&1 || missing+=("$package")
  done
  [ -z "$mail" ] || command -v certbot > /dev/null || missing+=(certbot)
  [ ${#missing[@]} = 0 ] && return
  case " ${missing[*]} " in *" haproxy "*) had_haproxy= ;; esac
  run apt-get install -y -q --no-install-recommends "${missing[@]}"
  # Debian starts one of its own at once.
  [ -n "$had_haproxy" ] || run systemctl disable --now haproxy.service
}

users() {
  # A shell, and a password that is none: rented machines come in by a key with a forced command.
  id tercet > /dev/null 2>&1 ||
    run useradd --system --user-group --home-dir "$state" --shell /bin/sh --password '*' tercet
  id tercet-edge > /dev/null 2>&1 ||
    run useradd --system --user-group --home-dir /nonexistent --shell /usr/sbin/nologin tercet-edge
}

folders() {
  folder 755 root:root "$opt"; folder 755 root:root "$opt/releases"
  folder 755 root:root "$etc"; folder 755 root:root "$etc/config"; folder 700 root:root "$etc/keys"
  folder 750 root:tercet-edge "$etc/tls"
  folder 700 tercet:tercet "$state"; folder 700 tercet:tercet "$state/backups"
}

keys() {
  local key
  for key in api admin; do
    [ -f "$etc/keys/$key" ] || openssl rand -hex 32 | put 400 root:root "$etc/keys/$key"
  done
  # Ray's own processes all know it.
  [ -f "$etc/ray-token" ] || openssl rand -hex 32 | tr -d '\n' | put 440 root:tercet "$etc/ray-token"
  for key in "$etc"/keys/*; do
    [ ! -f "$key" ] || [ "$(stat -c %a:%u "$key")" = 400:0 ] || run chmod 400 "$key"
    [ ! -f "$key" ] || [ "$(stat -c %u "$key")" = 0 ] || run chown root:root "$key"
  done
}

site() {
  [ -f "$etc/site.env" ] || put 644 root:root "$etc/site.env" << SITE
# What this site sets; README.md has the variables. No keys: those are files in $etc/keys.
TERCET_LEDGER=$state/ledger.sqlite3
TERCET_STATE=$state
TERCET_BACKUPS=$state/backups
# loopback, or tunnel: rented machines join Ray (docs/rental.md, mode ray_worker).
TERCET_HEAD=loopback
TERCET_EDGE_HTTPS=:::443
TERCET_EDGE_HTTP=:::80
TERCET_EDGE_INSIDE=127.0.0.1:8001
TERCET_EDGE_TLS=$etc/tls/site.pem
SITE
  put 755 root:root /usr/local/bin/tercet << 'TERCET'
#!/bin/sh
# The operator's commands, as the user tercet and with this site's settings.
set -a; . /etc/tercet/site.env; set +a
cd /var/lib/tercet
exec setpriv --reuid tercet --regid tercet --init-groups --no-new-privs env HOME=/var/lib/tercet \
  /opt/tercet/current/venv/bin/tercet "$@"
TERCET
}

certificate() {
  local pem=$etc/tls/site.pem
  [ -z "$mail" ] || put 755 root:root "$etc/tls/renewed" << RENEWED
#!/bin/sh
# certbot starts this with every new certificate. The old one serves the answers under way.
set -eu
umask 027
cat "\$RENEWED_LINEAGE/fullchain.pem" "\$RENEWED_LINEAGE/privkey.pem" > $pem.new
chgrp tercet-edge $pem.new
mv $pem.new $pem
! systemctl is-active -q tercet-edge || systemctl reload tercet-edge
RENEWED
  [ -f "$pem" ] && return
  echo "+ make a certificate of its own for $name, which no client trusts: $pem"
  [ -z "$dry" ] || return 0
  local made; made=$(mktemp -d)
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 365 -subj "/CN=$name" \
    -addext "subjectAltName=DNS:$name" -keyout "$made/key" -out "$made/pem" 2> /dev/null
  cat "$made/pem" "$made/key" | put 640 root:tercet-edge "$pem"
  rm -r "$made"
}

acme() {
  [ -n "$mail" ] && [ ! -d "/etc/letsencrypt/live/$name" ] || return 0
  # Let's Encrypt comes in by port 80 of the edge.
  run systemctl start tercet-firewall tercet-edge
  run certbot certonly --standalone --http-01-address 127.0.0.1 --http-01-port 8402 --non-interactive \
    --agree-tos --email "$mail" --domain "$name" --deploy-hook "$etc/tls/renewed"
}

firewall() {
  local doors
  # Whatever sshd listens at stays open, and the door this was come in by.
  doors=$({ sshd -T 2> /dev/null | awk '$1 == "port" {print $2}'; echo "${SSH_CONNECTION:-}" | awk '{print $4}'
    echo 22 80 443 2222 | tr ' ' '\n'; } | grep . | sort -nu | paste -sd,)
  [ -f "$etc/firewall.nft" ] || put 644 root:root "$etc/firewall.nft" << NFT
#!/usr/sbin/nft -f
# Calls from outside reach these ports and no others: sshd, the edge, and rented machines (2222).
table inet tercet
delete table inet tercet
table inet tercet {
  chain input {
    type filter hook input priority -10; policy accept;
    iif lo accept
    tcp flags & (syn | ack) == syn tcp dport != { $doors } reject with tcp reset
  }
}
NFT
}

start() {
  run systemctl enable -q tercet.target
  if [ -f "$etc/keys/anthropic" ] || [ -f "$etc/keys/gemini" ] || grep -qs '^TERCET_SIMULATED=1' "$etc/site.env"; then
    run systemctl start tercet.target
  else
    echo "No provider's key is in $etc/keys yet (anthropic, gemini; one is enough). With it: systemctl start tercet.target"
  fi
}

uninstall() {
  local unit
  run systemctl disable -q --now tercet.target
  for unit in tercet-edge tercet-deploy tercet-head tercet-backup tercet-watch tercet-sshd tercet-firewall; do
    run systemctl stop "$unit.service"
  done
  run rm -rf "$units"/tercet.target "$units"/tercet-*.service "$units"/tercet-.service.d "$opt" /usr/local/bin/tercet
  run systemctl daemon-reload
  echo "$etc and $state are kept"
}

mail= name= do=install
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) sed -n '2,/^set/{s/^# \?//p}' "$0"; exit ;;
    --dry-run) dry=yes ;;
    --uninstall) do=uninstall ;;
    --acme) mail=${2:?--acme needs an address}; shift ;;
    -*) die "there is no option $1" ;;
    *) name=$1 ;;
  esac
  shift
done
need_root
[ $do = install ] || { uninstall; exit; }
[[ $name =~ ^[A-Za-z0-9.-]+$ ]] || die "say the name callers use: install.sh tercet.example.org"
[ "$(. /etc/os-release; echo "$ID$VERSION_ID")" = debian12 ] || die "this is for Debian 12"
name_release
packages; users; folders; keys; site; certificate; firewall
make_release; link_config; check_release
put_units
[ -n "$(now)" ] || switch
start
acme
[ "$(now)" = "$release" ] || [ -n "$dry" ] || echo "$(now) goes on running; cluster/vps_2/upgrade.sh brings $release"
