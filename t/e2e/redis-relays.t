#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Gatepost authors
#
# Two relays and one Redis, as a message and the desk see it: one script for each message, of whatever kind;
# explain takes nothing; suspended and released everywhere within a second; monitor mode holds; mailers are
# counted over both relays.
. "$(dirname "$0")/../redis/lib.sh"

# relay N: starts it; its log is $T/logN.
relay() {
	sed "s|milter\.sock|milter$1.sock|; s|api\.sock|api$1.sock|; s|\"out1\"|\"out$1\"|; s|state\.db|state$1.db|
	    s|submission\.sock|submission$1.sock|" "$T/gatepost.conf" >"$T/gatepost$1.conf"
	"$GATEPOST" -f -c "$T/gatepost$1.conf" 2>>"$T/log$1" &
	eval "relay_$1=$!"
	t_pids="$t_pids $!"
	"$TOOLS/play" --wait "$T/milter$1.sock" 10
}
ends() {
	eval "kill \$relay_$1 && wait \$relay_$1"
}
ctl() {
	t_relay=$1
	shift
	"$GATEPOSTCTL" -c "$T/gatepost$t_relay.conf" "$@"
}

redis_start "$T/r" || t_skip 'Redis does not start'
chmod 755 "$T/r"
keys_make "$T/trace.keys"
daemon_tables
printf '%s\tacme\n' "$(id -un)@out1" >"$T/users"
cp "$srcdir/etc/signatures.conf" "$T/"
configure() {
	daemon_config <<-END
	store : { type = "redis"; file = "$T/state.db"; servers = [ "$(at "$T/r")" ]; budget = "1s"; };
	trace : { sealed = { keys = "$T/trace.keys"; }; };
	submission : { socket = "unix:$T/submission.sock"; };
	identity : { relays = [ "192.0.2.80" ]; };
	mailers : { signatures = "$T/signatures.conf"; };
	tables : { accounts = "file:$T/accounts"; domains = "file:$T/domains"; networks = "cidr:$T/networks";
	           users = "file:$T/users"; customers = "file:$T/customers"; };
	limits = (
	  { name = "account"; per = "account"; count = "recipients"; ceilings = [ "500/1h", "900/1d" ]; },
	  { name = "customer"; per = "customer"; count = "messages"; ceilings = [ "500/1h" ]; },
	  { name = "bounces"; per = "everyone"; count = "messages"; ceilings = [ "500/1h" ];
	    when = { sender = "null"; }; },
	  { name = "spread"; per = "account"; count = "distinct-recipients"; ceilings = [ "500/1h" ]; },
	  { name = "refused"; per = "account"; count = "refusals"; ceilings = [ "500/1h" ]; } );
	$1
	END
}
configure ''
for n in 1 2; do
	check "relay $n starts" relay $n
done

# ---- one script a message --------------------------------------------------------------------

# The judging script is the only one that asks for its keys with one MGET; all other calls are the desk's:
# none of a message's thread, but of the house (beat, keep), and of alerts (claim).
redis "$T/r" monitor >"$T/monitor" 2>/dev/null &
t_pids="$t_pids $!"
mark() {
	redis "$T/r" echo "mark-$1" >/dev/null
	await 10 grep -q "mark-$1" "$T/monitor"
}
# scripts FROM TO: what was called between two marks: judge, or the desk's verb.
verbs='beat|keep|kept|claim|decisions|restore|decide|undecide|bear|usage|top|numbers|leave'
scripts() {
	sed -n "/mark-$1\"/,/mark-$2\"/p" "$T/monitor" | grep -E -i '"(evalsha|eval)"' | grep -v ' lua\]' |
	    sed -E "s/.*\"($verbs)\" \"0\".*/\1/; s/^[0-9].*/judge/"
}
judged() {
	scripts "$1" "$2" >"$T/scripts"
	sort "$T/scripts" | uniq -c
	[ "$(grep -c '^judge$' "$T/scripts")" = "$3" ] && ! grep -v -E '^(judge|beat|keep|claim)$' "$T/scripts"
}
await 10 test -s "$T/monitor"

# kind WORDS NUMBER: the message in the script on standard input takes so many calls.
kind() {
	mark "$1-begins"
	play "$T/milter1.sock"
	mark "$1-ends"
	check "$1: $2 call of the script, and nothing else is waited for" judged "$1-begins" "$1-ends" "$2"
}
plain() {
	cat <<-END
	test plain
	login bob@acme.example
	mail <bob@acme.example>
	rcpt <x@dest.example>
	rcpt <y@other.example>
	header From: bob@acme.example
	header Date: Sat, 31 Jan 2026 12:00:00 +0000
	header Message-ID: <$1@client.example>
	eom
	expect pass
	show edits
	END
}
# The first of all brings scripts that the server has not had; it is not counted.
plain first >"$T/in"
play "$T/milter1.sock" <"$T/in"
plain plain >"$T/in"
kind plain 1 <"$T/in"
stamp=$(sed -n 's/^# . [0-9]* Gatepost-Trace: //p' "$T/play.out")
check 'it has a stamp' test -n "$stamp"
kind mailer 1 <<'END'
test by Interspire
login bob@acme.example
mail <bob@acme.example>
rcpt <x@dest.example>
header From: bob@acme.example
header X-Mailer-LID: 12
header X-Mailer-RecptId: 345
header X-Mailer-SID: 67
header X-Mailer-Sent-By: 1
header Message-ID: <0123456789abcdef0123456789abcdef@client.example>
eom
expect pass
expect field X-Bulk-Mailer: interspire
END
kind re-entered 1 <<END
test comes back
connect filter.example 192.0.2.80 40000
mail <bob@acme.example>
rcpt <x@dest.example>
rcpt <y@other.example>
header Gatepost-Trace: $stamp
header From: bob@acme.example
header Date: Sat, 31 Jan 2026 12:00:00 +0000
header Message-ID: <plain@client.example>
eom
expect pass
END
check 'it was known' grep -q 'class=re-entered' "$T/log1"
ticket=$("$srcdir/t/milter/ticket" "$T/submission1.sock" address=203.0.113.7 | sed 's/^ticket //')
kind ticket 1 <<END
test of a local user
connect pickup
mail bob@acme.example
rcpt x@dest.example
header Gatepost-Ticket: $ticket
header From: bob@acme.example
header Message-ID: <ticket@client.example>
eom
expect pass
END
check 'he was known' grep -q 'message .*user=.*msgid=<ticket@' "$T/log1"
kind bounce 1 <<'END'
test a bounce
connect mx.acme.example 192.0.2.200 40000
mail <>
rcpt <x@dest.example>
header From: postmaster@acme.example
header Message-ID: <bounce@acme.example>
eom
expect pass
END
kind nameless 1 <<'END'
test without a Message-ID
login bob@acme.example
mail <bob@acme.example>
rcpt <x@dest.example>
header From: bob@acme.example
eom
expect pass
END
kind refused 1 <<'END'
test refused by another check, and counted
login bob@acme.example
mail <carol@other.example>
expect reply 550 5.7.1
END

# ---- explain ---------------------------------------------------------------------------------

cat >"$T/message" <<'END'
From: bob@acme.example
X-Mailer: MailPoet 4
Date: Sat, 31 Jan 2026 12:00:00 +0000
Message-ID: <explained@client.example>

END
contents() {
	for t_key in $(redis "$T/r" --scan | grep -v -e 'relays1:' -e 'probe1:' | sort); do
		echo "$t_key $(redis "$T/r" debug digest-value "$t_key")"
	done
}
contents >"$T/before"
check 'explain' ctl 1 explain --login bob@acme.example --client 192.0.2.1 --sender bob@acme.example \
    --recipient x@dest.example "$T/message"
contents >"$T/after"
check 'takes nothing from Redis' cmp "$T/before" "$T/after"

# ---- suspended everywhere ----------------------------------------------------------------------

# mail_says N REPLY: what relay N answers at MAIL.
mail_says() {
	"$TOOLS/play" "$T/milter$1.sock" >"$T/said" 2>&1 <<-END
	test MAIL
	login carol@other.example
	mail <carol@other.example>
	expect $2
	END
}
check 'suspended on the first relay' ctl 1 suspend customer other --for 1h
check 'within a second the second refuses it at MAIL' \
    await 1 mail_says 2 'reply 550 5.7.1 sending is suspended'
check 'and the first' mail_says 1 'reply 550 5.7.1 sending is suspended'
check 'released on the second' ctl 2 release customer other
check 'within a second the first lets it in' await 1 mail_says 1 pass
check 'and the second' mail_says 2 pass

# ---- mailers over both ---------------------------------------------------------------------------

mailed() {
	for t_n in $2; do
		cat <<-END
		login bob@acme.example
		mail <bob@acme.example>
		rcpt <x@dest.example>
		header From: bob@acme.example
		header X-Mailer-LID: 12
		header X-Mailer-RecptId: 345
		header X-Mailer-SID: 67
		header X-Mailer-Sent-By: 1
		header Message-ID: <$1$t_n@client.example>
		eom
		expect pass
		END
	done | { echo 'test some by Interspire'; cat; } >"$T/in"
	play "$T/milter$1.sock" <"$T/in"
}
mailed 2 '1 2 3'
counted() {
	[ "$(ctl "$1" --json mailers | tr -d ' \n' |
	    sed 's/.*"mailer":"interspire"[^}]*"messages":\([0-9]*\).*/\1/')" = "$2" ]
}
ends 2
check 'what each relay saw of a mailer is added up' await 5 counted 1 4
mailed 1 '4 5'
check 'with what this one saw since' counted 1 6
check 'the second relay starts again' relay 2
check 'and knows what it is told of' counted 2 4
ends 1
check 'and what the first had not told yet, when that ends' await 5 counted 2 6
check 'first seen is told once' test "$(cat "$T/log1" "$T/log2" | grep -c 'alert kind=mailer.first-seen')" = 1
ends 2

# ---- monitor mode --------------------------------------------------------------------------------

configure 'suspension : { mode = "monitor"; };'
check 'suspensions are only told' relay 1
check 'a suspended customer' ctl 1 suspend customer acme --for 1h
play "$T/milter1.sock" <<'END'
test passes, also by the script's last look
deliver bob@acme.example <bob@acme.example> <x@dest.example> bob@acme.example
expect pass
END
check 'with what would have been' await 5 \
    grep -q 'verdict=accept would=reject would_code=suspension.customer' "$T/log1"
ends 1
configure 'limits_mode = "monitor";'
check 'limits are only told' relay 1
ctl 1 release customer acme >/dev/null
play "$T/milter1.sock" <<END
test suspended between MAIL and the end: refused by the script, whatever the limits' mode
login alice@acme.example
mail <alice@acme.example>
rcpt <x@dest.example>
shell "$GATEPOSTCTL" -c "$T/gatepost1.conf" suspend account alice@acme.example --for 1h >/dev/null
header From: alice@acme.example
header Message-ID: <between@client.example>
eom
expect reply 550 5.7.1 sending is suspended
END

t_done
