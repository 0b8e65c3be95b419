#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Gatepost authors
#
# Reloads and restarts under load, with the socket held by a service manager: no client of the MTA sees an error.
. "$(dirname "$0")/lib.sh"

few='limits = ( { name = "burst"; per = "account"; count = "messages"; ceilings = [ "1/1d" ]; action = "defer"; } );'
many='limits = ( { name = "day"; per = "account"; count = "messages"; ceilings = [ "100000/1d" ]; action = "defer"; } );'
e2e_config <<<"$many"
check 'the daemon takes the socket that it inherits' activate
e2e_mta </dev/null
load sessions=4 messages=5 seconds="${load_seconds:-12}" login=bob@acme.example password=secret started="$T/started" &
loading=$!
t_pids="$t_pids $loading"
check 'a load begins' await 10 test -e "$T/started"
reloads() {
	for i in 1 2 3 4 5; do
		e2e_config <<<"$many"
		daemon_reload "$(cat "$T/pid")" || return 1
	done
	[ "$(grep -c -E '^[^=]*configuration reloaded' "$daemon_log")" -eq 5 ]
}
check 'five reloads of Gatepost' reloads
e2e_config <<<'limits = ( { name = "burst"; per = "nobody"; } );'
refused() {
	daemon_reload "$(cat "$T/pid")"
	log_has 'configuration refused'
}
check 'one with a mistake is refused' refused
e2e_config <<<"$many"
check 'a restart of Gatepost' restart
# SIGHUP makes Sendmail begin anew: until it listens again, clients find nobody.
[ "$mta" = sendmail ] || check 'a reload of Postfix' postfix_reload "$P"
check 'and one more restart' restart
wait "$loading"
sed 's/^/# /' "$T/load.out"
check 'mail passed' [ "$(load_count accepted)" -gt 50 ]
check 'nobody was told to try again' [ "$(load_count deferred)" -eq 0 ]
check 'nobody was refused' [ "$(load_count refused)" -eq 0 ]
check 'no answer failed to come' [ "$(load_count lost)" -eq 0 ]
# What Postfix put off while it was reloaded would wait for minutes.
all() {
	[ -z "$(find "$P/queue/deferred" -type f 2>/dev/null | head -1)" ] || postqueue -f
	"${mta}_idle" "$P" && [ "$(ls "$P/box/new" | wc -l)" -eq "$(load_count accepted)" ]
}
all_there() {
	await 60 all || {
		echo "$(ls "$P/box/new" | wc -l) delivered, $(find "$P/queue" -type f | wc -l) in the queue"
		return 1
	}
}
check 'as many are delivered as were taken' all_there
check 'all of them stamped' [ -z "$(grep -L '^X-Customer-ID: acme$' -r "$P/box/new")" ]

e2e_config <<<"$few"
check 'new limits' daemon_reload "$(cat "$T/pid")"
deliver alice@acme.example alice@acme.example one 'From: alice@acme.example'
check 'are in force with the next session' told '^250 '
deliver alice@acme.example alice@acme.example two 'From: alice@acme.example'
check 'which passes no more than they say' told '^451 4\.7\.1 limit burst reached: 1 message per 1d'
check 'the MTA had nothing to complain of' content
ended() {
	kill "$manager"
	wait "$manager"
}
check 'the daemon ends with status 0' ended
t_done
