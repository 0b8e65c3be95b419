#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Gatepost authors
#
# Tickets: what the socket gives and refuses, what the milter believes of what comes, and what hostile clients of
# either achieve.
. "${srcdir:-.}/t/lib.sh"

ask() {
	"${srcdir:-.}/t/milter/ticket" "$@"
}
ctl() {
	"$GATEPOSTCTL" -c "$T/gatepost.conf" "$@"
}
user=$(id -un)
uid=$(id -u)

chmod 755 "$T"
daemon_tables
printf '%s\tacme\n' "$user@out1" >"$T/users"
keys_make "$T/trace.keys"
config() {
	daemon_config <<-END
	trace : { sealed = { keys = "$T/trace.keys"; }; };
	submission : { socket = "unix:$T/submission.sock"; web = "unix:$T/web.sock"; web_allow = [ "$user" ];
	               mails = 2; $1 };
	identity : { relays = [ "127.0.0.1", "192.0.2.80" ]; $2 };
	tables : { accounts = "file:$T/accounts"; domains = "file:$T/domains"; networks = "cidr:$T/networks";
	           users = "file:$T/users"; };
	limits = ( { name = "visitor"; per = "submitter"; count = "messages"; ceilings = [ "9/1d" ]; action = "reject"; } );
	END
}
config '' ''
daemon_start

# ---- the socket

gives() {
	ask "$@" >"$T/answer"
	grep -q '^ticket v=1; k=test; t=[A-Za-z0-9_-]*$' "$T/answer" || { cat "$T/answer"; return 1; }
}
refuses() {
	t_words=$1
	shift
	ask "$@" >"$T/answer" 2>&1
	grep -q -e "$t_words" "$T/answer" || { cat "$T/answer"; return 1; }
}
new() {
	ask "$T/submission.sock" "$@" | sed 's/^ticket //'
}
late=$(new)
check 'a local user gets a ticket' gives "$T/submission.sock"
check 'also when he says things that nobody knows' gives "$T/submission.sock" future=yes address=nonsense token=nonsense
check 'two are never the same' [ "$(new)" != "$(new)" ]
if [ "$uid" = 0 ]; then
	check 'nobody in particular gets none' refuses 'refused the system does not say' --uid 65534 "$T/submission.sock"
fi
raw() {
	printf "$1" | ask --raw "$T/submission.sock" >"$T/answer" 2>&1
	grep -q -e "$2" "$T/answer" || { cat "$T/answer"; return 1; }
}
check 'another protocol is refused' raw 'GET / HTTP/1.1\r\n\n\n' '^refused'
check 'a line without = is refused' raw 'gatepost-ticket 1\naddress\n\n' '^refused'
check 'a name twice is refused' raw 'gatepost-ticket 1\nscript=a\nscript=b\n\n' '^refused'
check 'a NUL gets no answer' raw 'gatepost-ticket 1\nscript=a\0b\n\n' '^closed'
long() {
	{ printf 'gatepost-ticket 1\nscript='; head -c 5000 /dev/zero | tr '\0' x; printf '\n\n'; } |
	    ask --raw "$T/submission.sock" 2>&1 | grep -q closed
}
check 'too long a question gets no answer' long
check 'a long path is taken, its end' gives "$T/submission.sock" "script=$(head -c 900 /dev/zero | tr '\0' y)/end.php"

# One user's connections are bounded; they do not keep others, nor him for long, from an answer.
perl -MIO::Socket::UNIX -e '
	my @held = grep { defined } map { IO::Socket::UNIX->new(Peer => $ARGV[0]) } 1 .. 60;
	print "held\n"; $| = 1; print ""; sleep 100' "$T/submission.sock" >"$T/held" &
t_pids="$t_pids $!"
await 5 grep -q held "$T/held"
[ "$uid" != 0 ] || check 'sixty idle connections of one user do not keep another from his ticket' gives --uid 1 "$T/submission.sock"
again() {
	gives "$T/submission.sock" 2>/dev/null
}
# This takes five seconds, after which $late is late.
check 'nor himself for more than some seconds' await 12 again

token() {
	curl -s -i --unix-socket "$T/web.sock" "$@" http://gatepost/token | tr -d '\r' | sed -n 's/^Gatepost-Token: //p'
}
visitor='X-Gatepost-Address: 203.0.113.9'
site='X-Gatepost-Host: WWW.acme.example:8443'
check 'the web server gets a token' [ -n "$(token -H "$visitor" -H "$site")" ]
check 'not without an address' [ -z "$(token -H "$site")" ]
check 'nor for a list of them' [ -z "$(token -H 'X-Gatepost-Address: 203.0.113.9, 10.0.0.1')" ]
check 'nor for a POST' [ -z "$(token -H "$visitor" -d x=y)" ]
[ "$uid" != 0 ] || check 'nor for another user' [ -z "$(setpriv --reuid 1 --clear-groups curl -s -i --unix-socket "$T/web.sock" -H "$visitor" http://gatepost/ | grep -i gatepost-token)" ]

answers() {
	printf '%s\n' '203.0.113.9 www.acme.example abc@1' 'nonsense' '::1 www.acme.example ' |
	    "${srcdir:-.}/contrib/apache/gatepost-token" "$T/web.sock" >"$T/answer"
	sed 's/^1\.test\.[A-Za-z0-9_-]*$/token/' "$T/answer" | tr '\n' ' ' | grep -qx 'token NULL token '
}
check 'Apache'\''s map program gets one for each request' answers
perl -MIO::Socket::UNIX -e 'my $s = IO::Socket::UNIX->new(Listen => 10, Local => $ARGV[0]); print "x\n"; sleep 100' \
    "$T/hangs" >/dev/null &
t_pids="$t_pids $!"
hanging() {
	await 5 test -S "$T/hangs"
	yes '203.0.113.9 www.acme.example x' | head -20 |
	    timeout 5 "${srcdir:-.}/contrib/apache/gatepost-token" "$T/hangs" >"$T/answer" && [ "$(grep -c NULL "$T/answer")" = 20 ]
}
check 'one that hangs does not make each request wait, one after the other' hanging
check 'and does without when there is no daemon' [ "$(echo '203.0.113.9 x y' | "${srcdir:-.}/contrib/apache/gatepost-token" "$T/none")" = NULL ]
check 'the metrics count tickets' [ "$(curl -s --unix-socket "$T/api.sock" http://gatepost/metrics | sed -n 's/^gatepost_tickets_total{quality="none"} //p')" -gt 3 ]
# Root of a namespace of his own is who made it, outside.
if [ "$uid" = 0 ] && setpriv --reuid 5 --clear-groups unshare -U -r true 2>/dev/null; then
	check 'root of a user namespace is its maker' gives --in-namespace --uid 5 "$T/submission.sock"
	play <<-END
	test and known as such
	connect pickup
	mail bob@acme.example
	rcpt x@dest.example
	header Gatepost-Ticket: $(sed 's/^ticket //' "$T/answer")
	header From: bob@acme.example
	eom
	expect reply 550 5.7.1 sender not identified
	END
	check 'by his outer uid' log_has 'reason="local user games \(uid 5\) on out1 is in no table'
fi

# ---- the milter

one=$(new address=203.0.113.7 script=/srv/form.php)
two=$(new address=203.0.113.7)
web=$(new "token=$(token -H "$visitor" -H "$site")" address=198.51.100.1)
foreign=$(new "token=$(token -H "$visitor" -H 'X-Gatepost-Host: other.example')" address=198.51.100.1)
claimed=$(new address=203.0.113.9) smtp=$(new) login=$(new) stranger=$(new) null=$(new)
play <<END
test a local message with a ticket is its user's customer's
connect pickup
id 4T01
mail bob@acme.example
rcpt x@dest.example
header Gatepost-Ticket: $one
header From: bob@acme.example
header Message-ID: <one@client.example>
eom
expect pass
expect fields Gatepost-Ticket 0
expect field X-Customer-ID: acme
expect field X-Form-Submitter-IP: 203.0.113.7

test the same message once more passes: the MTA tries again
connect pickup
id 4T02
mail bob@acme.example
rcpt x@dest.example
header Gatepost-Ticket: $one
header From: bob@acme.example
header Message-ID: <one@client.example>
eom
expect pass

test another one with that ticket does not
connect pickup
id 4T03
mail bob@acme.example
rcpt other@dest.example
header Gatepost-Ticket: $one
header From: bob@acme.example
header Message-ID: <one@client.example>
eom
expect reply 550 5.7.1 sender not identified

test what the web server saw counts more than what the sender says
connect pickup
id 4T04
mail bob@acme.example
rcpt x@dest.example
header Gatepost-Ticket: $web
header From: bob@acme.example
eom
expect pass
expect field X-Form-Submitter-IP: 203.0.113.9

test and a visitor that is only claimed does not fill his window
connect pickup
id 4T14
mail bob@acme.example
rcpt x@dest.example
header Gatepost-Ticket: $claimed
header From: bob@acme.example
eom
expect pass

test a token of a site of another customer names nobody
connect pickup
id 4T05
mail bob@acme.example
rcpt x@dest.example
header Gatepost-Ticket: $foreign
header From: bob@acme.example
eom
expect pass
expect field X-Form-Submitter-IP: 198.51.100.1

test over SMTP from one of our own hosts
connect web1.example 192.0.2.80 40000
id 4T06
mail <bob@acme.example>
rcpt <x@dest.example>
header Gatepost-Ticket: $smtp
header From: bob@acme.example
eom
expect pass
expect field X-Customer-ID: acme

test not from anywhere else
connect client.example 192.0.2.1 40000
login bob@acme.example
id 4T07
mail <bob@acme.example>
rcpt <x@dest.example>
header Gatepost-Ticket: $stranger
header From: bob@acme.example
eom
expect hold
expect fields Gatepost-Ticket 0

test the login counts more than the ticket of another customer's user
connect web1.example 192.0.2.80 40000
login carol@other.example
id 4T08
mail <carol@other.example>
rcpt <x@dest.example>
header Gatepost-Ticket: $login
header From: carol@other.example
eom
expect hold
expect field X-Customer-ID: other

test what it says of the sender is checked as any
connect pickup
login -
id 4T09
mail ceo@bank.example
rcpt x@dest.example
header Gatepost-Ticket: $two
header From: bob@acme.example
eom
expect reply 550 5.7.1 return-path ceo@bank.example is not registered

test without a ticket local mail is nobody's
connect pickup
id 4T10
mail bob@acme.example
rcpt x@dest.example
header From: bob@acme.example
eom
expect reply 550 5.7.1 sender not identified

test a null return-path with a ticket is no bounce
connect pickup
id 4T11
mail
rcpt x@dest.example
header Gatepost-Ticket: $null
header From: ceo@bank.example
eom
expect reply 550 5.7.1 From address ceo@bank.example is not registered

test and without one it is none either
connect pickup
id 4T15
mail
rcpt x@dest.example
header From: Your Bank <MAILER-DAEMON@out1>
eom
expect reply 550 5.7.1 sender not identified

test garbage and a thousand copies are removed, and nobody's
connect pickup
id 4T12
mail bob@acme.example
rcpt x@dest.example
headers 1000 gatepost-TICKET: v=1; k=test; t=AAAA
header From: bob@acme.example
eom
expect reply 550 5.7.1 sender not identified

test and leave a login's mail nothing but a finding
connect client.example 192.0.2.1 40000
login bob@acme.example
id 4T13
mail <bob@acme.example>
rcpt <x@dest.example>
header Gatepost-Ticket: v=1; k=nobody; t=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
header From: bob@acme.example
eom
expect hold
expect fields Gatepost-Ticket 0
END
# The store remembers, over a restart: nobody uses another's once more.
before=$(new)
used_by() {
	play <<-END
	test $1
	connect pickup
	id $2
	mail bob@acme.example
	rcpt $3@dest.example
	header Gatepost-Ticket: $before
	header From: bob@acme.example
	eom
	expect $4
	END
}
used_by 'used before a restart' 4T40 x pass
check 'the daemon ends' daemon_stop
daemon_start
used_by 'not by another message after it' 4T42 other 'reply 550 5.7.1 the message'\''s local ticket is not valid'
used_by 'by the same' 4T41 x pass
used_by 'and again not by another' 4T43 other 'reply 550 5.7.1'
used_by 'which takes nothing from the first' 4T44 x pass
check 'which is told' log_has 'qid=4T42 verdict=reject code=ticket\.replayed'
explained_whole() {
	printf 'Gatepost-Ticket: %s\nFrom: bob@acme.example\n\ntext\n' "$(new)" >"$T/whole.eml"
	ctl explain "$T/whole.eml" --local --sender bob@acme.example --recipient x@dest.example >"$T/explained" 2>&1
	grep -q '^customer *acme' "$T/explained" && ! grep -q 'submission\.ticket' "$T/explained" || { cat "$T/explained"; return 1; }
}
check 'explain and top show limits alone' explained_whole
top_shows() {
	ctl top >"$T/top" 2>&1 && grep -q visitor "$T/top" && ! grep -q ticket "$T/top" || { cat "$T/top"; return 1; }
}
check 'top as well' top_shows
check 'the log has user, script and quality' log_has \
    "qid=4T01 verdict=accept .*account=$user@out1 .*user=$user@out1 script=/srv/form.php submitter=203.0.113.7 quality=claimed"
check 'replayed' log_has 'kind=ticket\.replayed .*qid=4T03'
check 'web' log_has 'qid=4T04 .*submitter=203\.0\.113\.9 quality=web'
check 'misplaced' log_has 'kind=ticket\.misplaced .*qid=4T07'
check 'another'\''s' log_has 'kind=identity\.ticket .*customer=other .*qid=4T08'
check 'forged' log_has 'kind=ticket\.forged .*qid=4T12'
check 'foreign' log_has 'kind=ticket\.foreign .*qid=4T13'
check 'no token of theirs' log_has 'kind=ticket\.token-foreign .*submitter=203\.0\.113\.9 .*other\.example'

used() {
	ctl limits submitter "$1" >"$T/used" 2>&1
	grep -q -E "visitor.* $2 of 9|visitor.* $2/9|visitor .*\\b$2\\b" "$T/used" || { cat "$T/used"; return 1; }
}
check 'what was claimed counts apart' used claimed:203.0.113.9 1
check 'from what was seen' used 203.0.113.9 1

# ---- explain

explained() {
	printf 'From: bob@acme.example\n\ntext\n' | ctl explain --user "$1" --sender bob@acme.example \
	    --recipient x@dest.example >"$T/explained" 2>&1
	grep -q -e "$2" "$T/explained" || { cat "$T/explained"; return 1; }
}
check 'explain says what a local user would be' explained "$user" '^customer *acme, account '"$user"'@out1'
check 'also on another host' explained "$user@out2" '^user *'"$user"' on out2'
check 'where he is nobody' explained "$user@out2" 'reject: identity.unknown'
check 'and by his number' explained 4242 '^user *(uid 4242), attested on out1'

# ---- suspension, found at the end as well

check 'the desk suspends the customer' ctl suspend customer acme --for 1h --reason test
suspended=$(new)
play <<END
test a suspended customer's local mail is refused
connect pickup
mail bob@acme.example
rcpt x@dest.example
header Gatepost-Ticket: $suspended
header From: bob@acme.example
eom
expect reply 550 5.7.1 sending is suspended for this customer
END
check 'and releases him' ctl release customer acme

# ---- settings

config 'forged = "reject"; mode = "monitor";' 'local = "hold";'
check 'a reload' daemon_reload
play <<'END'
test identity.local holds
connect pickup
mail bob@acme.example
rcpt x@dest.example
header From: bob@acme.example
eom
expect hold

test monitor mode only tells
connect client.example 192.0.2.1 40000
login bob@acme.example
id 4T20
mail <bob@acme.example>
rcpt <x@dest.example>
header Gatepost-Ticket: nonsense
header From: bob@acme.example
eom
expect pass
expect fields Gatepost-Ticket 0
END
check 'the log says what would have been' log_has 'qid=4T20 verdict=accept would=reject would_code=ticket.forged'

config 'valid = "5s";' ''
check 'another reload' daemon_reload
play <<END
test a ticket that comes too late is held, in its user's name
connect pickup
id 4T30
mail bob@acme.example
rcpt x@dest.example
header Gatepost-Ticket: $late
header From: bob@acme.example
eom
expect hold
expect field X-Customer-ID: acme
END
check 'and told' log_has 'kind=ticket\.expired .*qid=4T30 .*action=hold'
check 'the daemon ends with status 0' daemon_stop
t_done
