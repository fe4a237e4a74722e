#!/bin/sh
# Sends what a job has to send, once, and prints what is said, with the stock `nats` command (github.com/nats-io/natscli):
# client.sh <credentials> <conversation> <job> <count>
set -eu
credentials=$1 conversation=$2 job=$3 count=$4

# The credentials are one line of JSON; what is wanted of them is in its "nats".
field() { sed -n "s/.*\"nats\":{[^}]*\"$1\":\"\([^\"]*\)\".*/\1/p" "$credentials"; }
app=$(sed -n 's/^{"app":"\([^"]*\)".*/\1/p' "$credentials")
# By the environment, so that no password is in the list of processes.
NATS_URL=$(field url) NATS_USER=$(field user) NATS_PASSWORD=$(field password)
export NATS_URL NATS_USER NATS_PASSWORD
# Without the prefix no answer comes.
lanes() { nats --inbox-prefix "$(field inboxPrefix)" "$@"; }

send() {
	n=1
	while [ "$n" -le "$count" ]; do
		# The same job again has the same keys, and each key is one message, for ever. What was not answered is asked again.
		body="{\"conversationId\":\"$conversation\",\"clientKey\":\"$job-$n\",\"text\":\"$job $n\"}"
		reply=$(lanes request "chat.app.$app.cmd.send" "$body" --raw --timeout 5s 2>/dev/null || true)
		case $reply in
		'{"accepted"'*)
			seq=$(printf '%s' "$reply" | sed 's/.*"seq":\([0-9]*\).*/\1/')
			case $reply in *'"repeated":true'*) again=' again' ;; *) again='' ;; esac
			echo "accepted $n $seq$again"
			n=$((n + 1))
			;;
		'' | *'"retryable":true'*) sleep 0.5 ;;
		*) echo "not sent: $reply" >&2 && exit 1 ;;
		esac
	done
}

read_events() {
	# An event comes when the one before it is done: in order, whatever happens. The stream is made when the bridge first hears of
	# the integration.
	until lanes consumer info "APP_$app" example >/dev/null 2>&1 ||
		lanes consumer add "APP_$app" example --pull --filter "chat.app.$app.event.>" --deliver all --ack explicit \
			--wait 10s --max-pending 1 --defaults >/dev/null 2>&1; do
		sleep 0.5
	done
	while :; do
		event=$(lanes consumer next "APP_$app" example --raw --wait 5s --ack 2>/dev/null) || continue
		[ -n "$event" ] || continue
		of() { printf '%s' "$event" | sed -n "s/.*\"$1\":\"\{0,1\}\([^\",}]*\).*/\1/p"; }
		# The first seq is the event's own.
		seq=$(printf '%s' "$event" | sed 's/^[^{]*{"type":"[^"]*","conversationId":"[^"]*","seq":\([0-9]*\).*/\1/')
		echo "got $(of conversationId) $seq $(printf '%s' "$event" | sed 's/^[^{]*{"type":"\([^"]*\)".*/\1/') $(of text)"
	done
}

send &
read_events
