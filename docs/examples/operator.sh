#!/usr/bin/env bash
# An operator's round with curl: how is it, what is open, trade, stop, clear up.
#
#   export QUANTMIND_TOKEN="$(cat ~/.local/state/quantmind/token)"    # the file that `quantmind run` prints
#   ./operator.sh
#
# QUANTMIND_REST is the gateway's address (http://127.0.0.1:5005), BROKER the account (demo), SYMBOL what is traded.
set -euo pipefail

rest=${QUANTMIND_REST:-http://127.0.0.1:5005}
broker=${BROKER:-demo}
symbol=${SYMBOL:-EURUSD}
: "${QUANTMIND_TOKEN:?set it to the token of the gateway}"

# The token goes in by a file descriptor: in the arguments every user of the machine could read it.
ask() { # METHOD PATH [BODY] [curl options]
  local method=$1 path=$2 body=${3:-}
  shift $(($# < 3 ? $# : 3))
  curl --silent --show-error --fail-with-body --noproxy '*' --max-time 30 --request "$method" "${rest%/}$path" \
    --header @<(printf 'X-Token: %s' "$QUANTMIND_TOKEN") \
    ${body:+--header 'Content-Type: application/json' --data "$body"} "$@"
  echo
}
field() { python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }

echo "== is it alive, and does it trade?"
ask GET /health
ask GET /status | python3 -c '
import json, sys
status = json.load(sys.stdin)
for broker in status["brokers"]:
    print(broker["broker"], "feed", broker["feed"], "orders", broker["orders"], "state", broker["trading"]["state"])
'

echo "== the account, and what is open"
ask GET "/account?broker=$broker"
ask GET "/positions?broker=$broker"

echo "== buy 0.1 lots, with a key: asking twice with the same key buys once"
key=operator-$(date +%s)-$$
bought=$(ask POST /trade "{\"symbol\": \"$symbol\", \"action_type\": \"BUY\", \"volume\": 0.1, \"broker\": \"$broker\"}" \
  --header "Idempotency-Key: $key")
echo "$bought"
ticket=$(field ticket <<<"$bought")
ask POST /trade "{\"symbol\": \"$symbol\", \"action_type\": \"BUY\", \"volume\": 0.1, \"broker\": \"$broker\"}" \
  --header "Idempotency-Key: $key" | field ticket

echo "== halt: nothing new is opened, and closing goes on"
ask POST /risk/state "{\"state\": \"halted\", \"broker\": \"$broker\", \"reason\": \"an operator's exercise\"}"
ask POST /trade "{\"symbol\": \"$symbol\", \"action_type\": \"BUY\", \"volume\": 0.1, \"broker\": \"$broker\"}" || true
ask POST "/brokers/$broker/positions/$ticket/close" '{}'

echo "== active again, and the last deals (read a moment after each order)"
sleep 1
ask POST /risk/state "{\"state\": \"active\", \"broker\": \"$broker\", \"reason\": \"the exercise is over\"}"
ask GET "/deals?broker=$broker&limit=5"
