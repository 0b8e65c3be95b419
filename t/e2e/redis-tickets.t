#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Gatepost authors
#
# Two relays that share a key file and a store: a ticket that one of them has taken is spent on the other as well, and the
# message that took it may come to either again.
. "$(dirname "$0")/../redis/lib.sh"

# relay N: starts it; its log is $T/logN.
relay() {
	sed "s|milter\.sock|milter$1.sock|; s|api\.sock|api$1.sock|; s|\"out1\"|\"out$1\"|; s|state\.db|state$1.db|
	    s|submission\.sock|submission$1.sock|" "$T/gatepost.conf" >"$T/gatepost$1.conf"
	"$GATEPOST" -f -c "$T/gatepost$1.conf" 2>"$T/log$1" &
	t_pids="$t_pids $!"
	"$TOOLS/play" --wait "$T/milter$1.sock" 10
}
new() {
	"$srcdir/t/milter/ticket" "$T/submission1.sock" | sed 's/^ticket //'
}
# sends N RECIPIENT WORDS EXPECTATION: from a web server, over SMTP, with $ticket, to relay N
sends() {
	play "$T/milter$1.sock" <<-END
	test $3
	connect web1.example 192.0.2.80 40000
	mail <bob@acme.example>
	rcpt <x@dest.example>
	header Gatepost-Ticket: $ticket
	header From: bob@acme.example
	header Subject: $2
	eom
	expect $4
	END
}

redis_start "$T/r" || t_skip 'Redis does not start'
chmod 755 "$T/r"
printf '%s@out1\tacme\n' "$(id -un)" >"$T/users"
keys_make "$T/trace.keys"
daemon_tables
daemon_config <<END
store : { type = "redis"; file = "$T/state.db"; servers = [ "$(at "$T/r")" ]; budget = "2s"; };
trace : { sealed = { keys = "$T/trace.keys"; }; };
submission : { socket = "unix:$T/submission.sock"; };
identity : { relays = [ "192.0.2.80" ]; };
tables : { accounts = "file:$T/accounts"; domains = "file:$T/domains"; networks = "cidr:$T/networks"; users = "file:$T/users"; };
END
check 'one relay starts' relay 1
check 'and the other' relay 2

ticket=$(new)
sends 1 one 'a ticket is good on the relay that gave it' pass
sends 2 one 'the same message goes on to the other one' pass
sends 2 other 'which takes no other message with it' 'reply 550 5.7.1'
check 'and tells' await 5 grep -q 'kind=ticket\.replayed ' "$T/log2"
sends 1 other 'nor does the first' 'reply 550 5.7.1'
ticket=$(new)
sends 2 one 'the other one can be the first too' pass
sends 1 two 'and then it is spent here' 'reply 550 5.7.1'

ticket=$(new)
play "$T/milter1.sock" <<END
test a message that is refused for something else
connect web1.example 192.0.2.80 40000
mail <ceo@bank.example>
rcpt <x@dest.example>
header Gatepost-Ticket: $ticket
header From: bob@acme.example
eom
expect reply 550 5.7.1 return-path ceo@bank.example is not registered
END
sends 2 stolen 'has used its ticket up, which the bounce shows' 'reply 550 5.7.1'
t_done
