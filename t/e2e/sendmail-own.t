#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Gatepost authors
#
# What only Sendmail does: addresses it rewrites, its Message-ID, headers at the top, the quarantine's reason, each F= without a filter.
mta=sendmail
. "$(dirname "$0")/lib.sh"

limits='limits = (
  { name = "held"; per = "account"; when = { sender = "null"; }; count = "messages"; ceilings = [ "1/1h" ]; action = "hold"; },
  { name = "burst"; per = "account"; count = "messages"; ceilings = [ "100/1h" ]; action = "defer"; }
);'
daemon_tables
printf '%s\n' 'dave acme dave' 'dave@mx.host.example acme dave' >>"$T/accounts"
e2e_config <<<"$limits"
daemon_start
e2e_mta </dev/null
sendmail_user "$P" dave@mx.host.example secret

# deliver_as MAIL-ARGUMENT ID HEADER...: as deliver, for what is no address in angle brackets.
deliver_as() {
	a_argument=$1
	a_id=$2
	shift 2
	printf '%s\n' 'AUTH bob@acme.example secret' "MAIL FROM:$a_argument" 'RCPT TO:<x@dest.example>' DATA "$@" \
	    "Message-ID: <$a_id@client.example>" '' text . | dialogue
}

# Sendmail reads these as addresses of its own making, and would write them so.
for address in 'bank.example!ceo' '@acme.example:ceo@bank.example'; do
	deliver_as "<$address>" path 'From: bob@acme.example'
	check "return-path $address is refused" told '^550 5\.7\.1 the return-path cannot be read without doubt'
	for from in "$address" "Boss <$address>" "bob@acme.example, $address"; do
		deliver_as '<bob@acme.example>' from "From: $from"
		check "From: $from is refused" told '^550 5\.7\.1 the From field cannot be read without doubt'
	done
done
deliver_as '<bob@acme.example>' from 'From: bob@acme.example' 'Sender: bank.example!ceo'
check 'and so in Sender' told '^550 5\.7\.1 the Sender field cannot be read without doubt'
deliver_as '<bob@acme.example>' from 'From: boss'
check 'a name that Sendmail would give a domain of its own is no From' told '^550 5\.7\.1 the From field cannot be read'
deliver_as bob@other.example bare 'From: bob@acme.example'
check 'a return-path without angle brackets is judged alike' told '^550 5\.7\.1 .*return-path bob@other\.example is not registered'
deliver_as bob@acme.example bare 'From: bob@acme.example'
check 'and passes when it is owned' delivered bare '^Return-Path: <bob@acme\.example>$'
check 'nothing of all that was delivered' [ -z "$(grep -l -E '<(path|from)@client' "$P"/box/new/*)" ]

for login in dave dave@mx.host.example; do
	deliver $login bob@acme.example "as-$login" 'From: bob@acme.example'
	check "login $login, as it was typed, is the account" log_has "account=dave .*msgid=<as-$login@client\.example>"
done

dialogue <<'END'
AUTH bob@acme.example secret
MAIL FROM:<bob@acme.example>
RCPT TO:<x@dest.example>
DATA
From: bob@acme.example
Subject: no Message-ID

text
.
END
id=$(queued_as)
check 'without Message-ID the log has the one that Sendmail gives' log_has "message .*qid=$id .*msgid=<[0-9]*\.$id@mx\.host\.example>"
generated() {
	grep -q -i "^Message-ID: <[0-9]*\.$id@mx.host.example>" "$P"/box/new/*
}
check 'which is delivered' await 10 generated

copies=()
for i in $(seq 20); do
	copies+=("X-Customer-ID: victim$i" "X-Other: kept$i")
done
deliver bob@acme.example bob@acme.example forged "${copies[@]}" 'From: bob@acme.example' "${copies[@]}"
check 'of forty forged copies none is left' delivered forged 'victim' 0
check 'the true one is there' delivered forged '^X-Customer-ID: acme$' 1
above() {
	sed '/^Received: .*client\.example/,$d' "$file" | grep -q '^X-Customer-ID: acme$'
}
check "above this hop's Received" above
check 'what was between is still there' delivered forged '^X-Other: kept' 40
check 'the desk is told' log_has 'alert kind=trace\.copied .*reason="X-Customer-ID came with the message, the first of 40'

deliver bob@acme.example '' first 'From: bob@acme.example'
check 'the first under a limit that holds is delivered' delivered first
deliver bob@acme.example '' second 'From: bob@acme.example'
check 'the next is taken' told "^$taken"
id=$(queued_as)
reason() {
	sendmail_run "$P" -bp -qQ | tr -s '\n\t ' ' ' | grep -E "$id.* QUARANTINE: limit\.exceeded incident [A-Z0-9]{5}"
}
check 'mailq -qQ shows it with reason and incident' await 5 reason
nothing_to_deliver() {
	sendmail_run "$P" -bp | grep -q 'is empty'
}
check 'mailq shows nothing' nothing_to_deliver
check 'a queue run leaves it' sendmail_run "$P" -q
check 'in the quarantine' reason
check 'nobody got it' not_delivered second
check 'its release is as the manual page says' release "$id"
check 'and it goes out, stamped' delivered second '^X-Customer-ID: acme$' 1

e2e_config <<END
mode = "monitor";
$limits
END
check 'in monitor mode' daemon_reload
deliver bob@acme.example bob@other.example monitored 'From: ceo@bank.example' 'X-Customer-ID: victim'
check 'what would be refused passes' told "^$taken"
check 'stamped, without the forged copy' delivered monitored '^X-Customer-ID: acme$' 1
check 'and with nothing forged' delivered monitored victim 0
check 'the log says what would have been' log_has 'message .*would=reject would_code=ownership\.return-path .*msgid=<monitored@'
check 'Sendmail had nothing to complain of' content

# A filter that says nothing: the time in T= decides. Everything else about it is in crash.t.
filter_options=', F=T, T=C:1s;S:1s;R:1s;E:1s'
e2e_mta </dev/null
kill -STOP "$daemon_pid"
deliver bob@acme.example bob@acme.example silent 'From: bob@acme.example'
kill -CONT "$daemon_pid"
check 'F=T: while it is silent, clients are told to try again' told '^4[0-9]{2} 4\.'
check 'in time' maillog_has 'Milter \(gatepost\): timeout before data read'
check 'and not delivered' not_delivered silent
daemon_stop
filter_options=', F=R'
e2e_mta </dev/null
deliver bob@acme.example bob@acme.example refused 'From: bob@acme.example'
check 'F=R: without the filter clients are refused' told '^5[0-9]{2} '
check 'and nothing is delivered' not_delivered refused
filter_options=
e2e_mta </dev/null
deliver bob@acme.example bob@acme.example open 'From: bob@acme.example'
check 'without F= everything passes' delivered open
check 'unstamped' delivered open '^X-Customer-ID' 0
t_done
