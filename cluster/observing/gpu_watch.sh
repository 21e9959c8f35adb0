#!/bin/sh
# One round of `tercet gpu watch`, told as metrics to node_exporter's textfile collector; for a timer,
# every 10 minutes, with the environment of the other `tercet gpu` commands.
# usage: gpu_watch.sh FOLDER [TERCET]
set -eu
folder=$1
log=$("${2:-tercet}" gpu watch --once 2>&1) && told=0 || told=$?
echo "$log" >&2
# It ends with 1 if there is an alert, and also if it broke.
[ "$told" -eq 0 ] || echo "$log" | grep -q ' ALERT ' || exit 2
{
  echo '# HELP tercet_gpu_watch_alerts Alerts of rented machines, by kind; docs/rental.md.'
  echo '# TYPE tercet_gpu_watch_alerts gauge'
  for kind in unserved orphan untold cap unknown_charge; do
    count=$(echo "$log" | grep -c " ALERT $kind: " || true)
    echo "tercet_gpu_watch_alerts{kind=\"$kind\"} $count"
  done
  echo '# HELP tercet_gpu_watch_round_timestamp_seconds When the provider was last asked.'
  echo '# TYPE tercet_gpu_watch_round_timestamp_seconds gauge'
  echo "tercet_gpu_watch_round_timestamp_seconds $(date +%s)"
} > "$folder/tercet_gpu.prom.$$"
mv "$folder/tercet_gpu.prom.$$" "$folder/tercet_gpu.prom"  # whole or not at all
