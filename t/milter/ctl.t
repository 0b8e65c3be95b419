#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Gatepost authors
#
# gatepostctl against a running daemon: what the desk does has its effect on the next message, what it is told
# is true, and every way to fail has its exit status.
. "${srcdir:-.}/t/lib.sh"

ctl() {
	"$GATEPOSTCTL" -c "$T/gatepost.conf" "$@"
}
# exits STATUS COMMAND...: ends with just that status.
exits() {
	t_want=$1
	shift
	"$@"
	[ $? -eq "$t_want" ]
}
# says TEXT COMMAND...: succeeds, and prints that somewhere.
says() {
	t_text=$1
	shift
	"$@" >"$T/says.out" 2>&1
	t_status=$?
	cat "$T/says.out"
	[ "$t_status" -eq 0 ] && grep -q -F -e "$t_text" "$T/says.out"
}
# complains STATUS TEXT COMMAND...
complains() {
	t_want=$1
	t_text=$2
	shift 2
	"$@" >"$T/says.out" 2>&1
	t_status=$?
	cat "$T/says.out"
	[ "$t_status" -eq "$t_want" ] && grep -q -F -e "$t_text" "$T/says.out"
}

limits() {
	daemon_config <<-END
	limits = ( { name = "customer"; per = "customer"; count = "recipients"; ceilings = "plan"; action = "defer"; },
	           { name = "burst"; per = "account"; count = "messages"; ceilings = [ "3/1d" ]; action = "defer"; } );
	plans = { standard = [ "100/1h", "1000/1d" ]; };
	$1
	END
}
limits ''
echo 'acme plan=standard name="Acme Ltd"' >"$T/customers"

check "a daemon that is down is told" \
    complains 3 "no answer at $T/api.sock: is gatepost running? (connect: No such file or directory)" ctl status
check "check-config needs no daemon" says "no mistakes" ctl check-config
echo 'nonsense = 1;' >"$T/bad.conf"
check "and names file and line of a mistake" complains 1 "bad.conf:1: nonsense" ctl check-config "$T/bad.conf"

daemon_start
check "status" says "on out1, pid $daemon_pid" ctl status
check "show" says "Acme Ltd" ctl show acme
check "limits" says "plan standard" ctl limits customer acme

cat >"$T/good.eml" <<'END'
From bob@acme.example Sat Jan 31 12:00:00 2026
From: Bob <bob@acme.example>
To: x@dest.example
Message-ID: <1@acme.example>

hello
END
printf 'From: boss@other.example\nX-Customer-ID: \033[2Jevil\n\nhello\n' >"$T/bad.eml"
explain() {
	ctl explain --login bob@acme.example --client 192.0.2.7 --sender bob@acme.example \
	    --recipient x@dest.example "$@"
}
check "explain: a good message is accepted" says "accept" explain "$T/good.eml"
check "its stamp is shown" says "+ X-Customer-ID: acme" explain "$T/good.eml"
check "a check that is not configured is off" says "preflight     off: preflight.egress names no address" explain "$T/good.eml"
check "explain: a foreign From is refused, with the reply" says "550 5.7.1" explain "$T/bad.eml"
# shellcheck disable=SC2016
check "nothing of a message reaches the terminal as it is" \
    sh -c '! "$@" | grep -q "$(printf "\033")"' sh "$GATEPOSTCTL" -c "$T/gatepost.conf" explain \
    --login bob@acme.example --client 192.0.2.7 --sender bob@acme.example --recipient x@dest.example "$T/bad.eml"
check "explain reads standard input" says "accept" explain - <"$T/good.eml"
check "nothing was counted" says "nothing is counted yet" ctl top

check "suspend says what it did" says "customer acme suspended for 24 h" ctl suspend acme --for 24h --reason phish
play <<'END'
test a suspended customer is refused at MAIL
login bob@acme.example
mail <bob@acme.example>
expect reply 550 5.7.1 suspended
END
check "suspensions lists it" says phish ctl suspensions
check "a misspelt name is refused" complains 1 "nothing is known by the name" ctl suspend acmee
check "release" says "customer acme released" ctl release acme
check "there is nothing more to release" exits 1 ctl release acme
play <<'END'
test mail passes again
deliver bob@acme.example <bob@acme.example> <x@dest.example> bob@acme.example
expect pass
test a second
deliver bob@acme.example <bob@acme.example> <x@dest.example> bob@acme.example
expect pass
test a third
deliver bob@acme.example <bob@acme.example> <x@dest.example> bob@acme.example
expect pass
test a fourth is over the ceiling
deliver bob@acme.example <bob@acme.example> <x@dest.example> bob@acme.example
expect reply 451 4.7.1 burst
END
check "top shows the key that is full" says "100%" ctl top --limit burst
check "limits says when there is room again" says "full; room again" ctl limits bob@acme.example
check "raise" says "set to 10/1d" ctl raise bob@acme.example --limit burst --to 10/1d --for 6h
check "overrides lists it" says "10/1d" ctl overrides
play <<'END'
test what was refused passes now
deliver bob@acme.example <bob@acme.example> <x@dest.example> bob@acme.example
expect pass
END
check "lower" says "as configured again" ctl lower bob@acme.example --limit burst
check "reset" says "from zero" ctl reset bob@acme.example --limit burst
check "exempt" says "not counted until" ctl exempt bob@acme.example --limit all --for 1h
check "a raise of a limit that is not there" complains 1 "allowed: customer burst" \
    ctl raise acme --limit none --to 1/1h --for 1h
check "the log says who did it" log_has 'api did=raise by="uid .*limit=burst'

check "--json is JSON with the numbers" says '"relay": "out1"' ctl --json status
check "metrics" says 'gatepost_messages_total{action="defer"} ' ctl metrics
check "reload" says reloaded ctl reload
limits 'mode = "maybe";'
check "a bad file is refused by reload, with the mistakes" complains 1 "mode" "$GATEPOSTCTL" --socket "$T/api.sock" reload

check "no command" exits 2 ctl
check "unknown command" exits 2 ctl frobnicate
check "an option that the command does not take" exits 2 ctl status --limit burst
check "a bad duration" exits 2 "$GATEPOSTCTL" --socket "$T/api.sock" suspend acme --for soon
check "the daemon ends as asked" daemon_stop
t_done
