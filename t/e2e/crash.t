#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Gatepost authors
#
# The daemon dies: in the middle of a message, and under load. Nothing is lost, nothing leaves unjudged, no ceiling is passed.
. "$(dirname "$0")/lib.sh"

e2e_config <<'END'
limits = ( { name = "day"; per = "account"; count = "messages"; ceilings = [ "150/1d" ]; action = "defer"; } );
END
daemon_start
e2e_mta </dev/null
deliver bob@acme.example bob@acme.example before 'From: bob@acme.example'
check 'mail passes' delivered before '^X-Customer-ID: acme$'

# Standard error: the shell says "Killed".
dialogue 2>/dev/null <<END
AUTH bob@acme.example secret
MAIL FROM:<bob@acme.example>
RCPT TO:<x@dest.example>
DATA
From: bob@acme.example
Message-ID: <cut@client.example>
! kill -9 $daemon_pid

Text.
.
MAIL FROM:<bob@acme.example>
END
check 'killed in the middle of a message: the client is told to try again' said "^S: $unfiltered" 2
check 'and so for the rest of that session' said '^S: 250 2\.1\.0 (Ok|Sender ok)' 1
daemon_kill 2>/dev/null
check 'the message is not delivered' not_delivered cut
deliver bob@acme.example bob@acme.example absent 'From: bob@acme.example'
check 'while no daemon is there, clients are told to try again' told '^45[14] 4\.[37]\.[01] '
check 'in the end they are not let through' said "^S: $taken" 0
daemon_start
deliver bob@acme.example bob@acme.example cut 'From: bob@acme.example'
check 'the client that tries again gets through' delivered cut '^X-Customer-ID: acme$'
check 'the daemon ends with status 0' daemon_stop

rm -f "$T"/state.db* "$P"/box/new/*
check 'now behind a socket that stays' activate
: >"$T/load.log"
load sessions=8 messages=5 seconds=4 login=bob@acme.example password=secret id=storm started="$T/started" &
loading=$!
t_pids="$t_pids $loading"
check 'a load begins' await 10 test -e "$T/started"
check 'the daemon is killed under it and started again' crash
sleep 0.3
check 'and once more' crash
wait "$loading"
sed 's/^/# /' "$T/load.out"
echo "# the crashes were felt by $(grep -c -E "$unfiltered|lost\$" "$T/load.log") messages"
settled() {
	"${mta}_idle" "$P" && [ "$(ls "$P/box/new" | wc -l)" -ge "$(load_count accepted)" ]
}
check 'all is delivered or in the queue' await 20 settled
grep -E ' 250 2\.0\.0 ' "$T/load.log" | sed 's/ .*//' | sort >"$T/accepted"
sed -n 's/^Message-ID: <\(storm[^@]*\)@client.example>$/\1/p' "$P"/box/new/* | sort >"$T/delivered"
check "accepted in all ($(wc -l <"$T/accepted")) is within the ceiling of 150" [ "$(wc -l <"$T/accepted")" -le 150 ]
check 'and mail passed' [ "$(wc -l <"$T/accepted")" -gt 50 ]
check "delivered in all ($(wc -l <"$T/delivered")) as well" [ "$(wc -l <"$T/delivered")" -le 150 ]
check 'each that the client was told 250 for is there' [ -z "$(comm -23 "$T/accepted" "$T/delivered")" ]
check 'and none twice' [ -z "$(uniq -d "$T/delivered")" ]
check 'none without our stamp' [ -z "$(grep -L '^X-Customer-ID: acme$' "$P"/box/new/*)" ]
check 'nothing is stuck in the queue' queue_empty
ended() {
	kill "$manager"
	wait "$manager"
}
check 'the last one ends with status 0' ended
t_done
