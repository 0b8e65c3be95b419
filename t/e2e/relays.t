#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Gatepost authors
#
# Two relays that share nothing but the key file: what the first has stamped passes the second uncharged, with the
# customer that it had; a key that only one of them has shows why a new one is copied before it is activated.
. "$(dirname "$0")/lib.sh"

daemon_tables
keys() {
	"$GATEPOSTCTL" -c "$T/gatepost.conf" keys "$@"
}
# relay NAME KEYS: the configuration of that relay, with a socket, a store and an API of its own
relay() {
	e2e_config <<-END
	trace : { sealed = { keys = "$2"; }; };
	limits = ( { name = "few"; per = "account"; count = "recipients"; ceilings = [ "3/1h" ]; action = "defer"; } );
	END
	[ "$1" = out1 ] && return
	sed -e "s,$T/milter.sock,$T/$1.sock," -e "s,$T/api.sock,$T/$1-api.sock," -e "s,$T/state.db,$T/$1.db," \
	    -e "s/relay = \"out1\"/relay = \"$1\"/" "$T/gatepost.conf" >"$T/$1.conf"
}
relay out1 "$T/trace.keys"
keys new first >/dev/null
cp -p "$T/trace.keys" "$T/out2.keys"
relay out2 "$T/out2.keys"
relay out1 "$T/trace.keys"
"$GATEPOST" -f -c "$T/out2.conf" 2>"$T/out2.log" &
out2_pid=$!
t_pids="$t_pids $out2_pid"
check 'the second relay starts' "$TOOLS/play" --wait "$T/out2.sock" 10
daemon_start

back=$("$smtp" --port)
e2e_postfix <<END
content_filter = smtp:[127.0.0.1]:$back
END
postfix_service "$P" "$back" -o content_filter= -o smtpd_milters="unix:$T/out2.sock"
check 'Postfix takes the second port' postfix_reload "$P"
"$smtp" --wait "$back" 10
out2_has() {
	await 10 grep -q -E -e "$1" "$T/out2.log"
}

for id in one two three; do
	deliver bob@acme.example bob@acme.example $id 'From: bob@acme.example'
done
check 'three of three pass the first relay' told '^250 '
check 'and the second' delivered three '^X-Customer-ID: acme$' 1
check 'with the stamp of the first' delivered three 'r=out1;' 1
check 'which the second knew' out2_has 'class=re-entered customer=acme account=bob@acme.example .*msgid=<three@'
deliver bob@acme.example bob@acme.example four 'From: bob@acme.example'
check 'the fourth is too many for the first' told '^451 '

# The wrong order: activated on the first before the second has it.
keys new second >/dev/null
keys activate second >/dev/null
check 'a new key is activated too early' daemon_reload "$daemon_pid"
deliver alice@acme.example alice@acme.example early 'From: alice@acme.example'
check 'the second cannot tell its stamps from anybody else' out2_has 'alert kind=trace.foreign '
check 'and has the first keep that mail until it can' out2_has 'verdict=defer code=identity.unknown .*msgid=<early@.* is that file the same on all relays'
cp -p "$T/trace.keys" "$T/out2.keys"
kill -HUP "$out2_pid"
check 'with the key' out2_has 'configuration reloaded'
deliver alice@acme.example alice@acme.example late 'From: alice@acme.example'
check 'it can' delivered late 'k=second;'
postqueue -f
check 'and what waited arrives' delivered early 'k=second;'
t_done
