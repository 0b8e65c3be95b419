#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Gatepost authors
#
# Stamps through a real Postfix: sealed, forged copies removed, keys rotated; through a content filter and back a
# message is known, charged once, and stamped once; what a thief of a stamp can do with it.
. "$(dirname "$0")/lib.sh"

daemon_tables
keys() {
	"$GATEPOSTCTL" -c "$T/gatepost.conf" keys "$@"
}
configure() {
	e2e_config <<-END
	trace : {
	  sealed = { keys = "$T/trace.keys"; };
	  extras = { report_abuse = "abuse@host.example"; cfbl_address = "fbl@host.example"; feedback_id = "hostexample"; authserv_id = "mx.host.example"; };
	  also = { X-AuthUser = "account"; X-SpamExperts-Domain = "domain"; };
	  strip = [ "X-Other-Filter" ];
	};
	limits = ( { name = "few"; per = "account"; count = "recipients"; ceilings = [ "6/1h" ]; action = "defer"; } );
	END
}
configure
refuses_without() {
	! "$GATEPOST" -t -c "$T/gatepost.conf" >"$T/t.out" 2>&1
	grep -q "trace.keys: there is no key file; make one: gatepostctl keys new" "$T/t.out"
}
check 'without the key file it does not start, and says what to do' refuses_without
check 'gatepostctl makes it' keys new first
check 'for the daemon alone' [ "$(stat -c '%U %a' "$T/trace.keys")" = 'nobody 400' ]
chmod 440 "$T/trace.keys"
refuses_readable() {
	! "$GATEPOST" -t -c "$T/gatepost.conf" >"$T/t.out" 2>&1
	grep -q 'mode 0440 lets others' "$T/t.out"
}
check 'a file that others may read is refused' refuses_readable
chmod 400 "$T/trace.keys"
chown root "$T/trace.keys"
refuses_roots() {
	! "$GATEPOST" -t -c "$T/gatepost.conf" >"$T/t.out" 2>&1
	grep -q 'does not belong to user nobody' "$T/t.out"
}
check 'and one that the daemon could not read' refuses_roots
chown nobody "$T/trace.keys"
check 'with its file in order it is content' "$GATEPOST" -t -c "$T/gatepost.conf"
daemon_start

{ read -r filter; read -r back; } <<<"$("$smtp" --port 2)"
if [ "$mta" = postfix ]; then
	e2e_postfix <<END
content_filter = smtp:[127.0.0.1]:$filter
non_smtpd_milters = unix:$SOCKET
receive_override_options = no_address_mappings
END
	postfix_service "$P" "$back" -o content_filter= -o receive_override_options=
	check 'Postfix takes the second port' postfix_reload "$P"
else
	e2e_sendmail <<<"$(sendmail_filter "$filter" "$back")"
fi
"$srcdir/t/e2e/filter" "$filter" "$back" &
t_pids="$t_pids $!"
"$smtp" --wait "$filter" 10 && "$smtp" --wait "$back" 10

# header NAME: that field of the delivered $file, unfolded
header() {
	sed '/^$/,$d' "$file" | sed -e ':a' -e 'N' -e '$!ba' -e 's/\n[ 	]\+/ /g' | grep -i "^$1:"
}

# ---- sealed, and known when it comes back
deliver bob@acme.example bob@acme.example one 'From: bob@acme.example' 'Subject: hello'
check 'a message goes through the filter and back' delivered one '^Subject: \[checked\] hello$'
check 'with one stamp' delivered one '^Gatepost-Trace:' 1
check 'and one customer' delivered one '^X-Customer-ID: acme$' 1
check 'and one of each further header' delivered one '^(X-Report-Abuse|CFBL-Address|CFBL-Feedback-ID|Feedback-ID|Authentication-Results|X-AuthUser|X-SpamExperts-Domain):' 7
check 'it was judged once' log_has 'class=customer customer=acme .*msgid=<one@'
check 'and known the second time' log_has 'verdict=accept class=re-entered customer=acme account=bob@acme.example client=127.0.0.1 .*msgid=<one@'
box one
stamp=$(header Gatepost-Trace)
date=$(header Date)
lines() {
	sed '/^$/,$d' "$file" | sed -n '/^Gatepost-Trace:/,/^[^ 	]/p' | sed '1n; /^[^ 	]/d' >"$T/lines"
	[ "$(wc -l <"$T/lines")" -le 3 ] && ! grep -q '.\{79\}' "$T/lines" && ! grep -q -e @ -e == -e acme "$T/lines"
}
check 'the stamp has three lines, short ones, that tell nothing' lines

# ---- forged copies
forged=()
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
	forged+=("gatepost-TRACE: v=1; k=first; r=x; q=y; t=t9; c=$i")
done
# four times each of five spellings, for every name that we write, and one that is only removed
for i in 1 2 3 4; do
	for name in Gatepost-Trace Feedback-ID CFBL-Address cfbl-FEEDBACK-id X-Report-Abuse X-AuthUser X-SPAMexperts-domain \
	    X-Customer-ID x-form-submitter-ip X-Bulk-Mailer X-GATEPOST-Lane X-Other-Filter; do
		forged+=("$name: victim" "$name :victim" "$name:"$'\n\tvictim'$'\n victim' "$name: victim"$'\xff\xfe' "$name:")
	done
	forged+=('X-Gatepost-Tag: victim' 'x-gatepost-TAG:'$'\n victim' 'X-Gatepost-Tag :victim' 'X-Gatepost-Tag:' 'X-Gatepost-Tag: a')
	forged+=('Authentication-Results: mx.host.example; auth=pass smtp.auth=victim' "Authentication-Results: other.example; spf=pass $i"
	    'authentication-RESULTS:'$'\n\tmx.host.example; none; victim' 'Authentication-Results :mx.host.example; a=victim'
	    'Authentication-Results: (a) "mx.host.example" 1; victim' "Authentication-Results: mx.host.example.other.example; none $i"
	    'Authentication-Results: MX.host.example')
done
deliver bob@acme.example bob@acme.example forged "${forged[@]}" 'From: bob@acme.example' "${forged[@]:0:40}" \
    'Authentication-Results: (victim) MX.host.example ; none'
check 'a message full of forged stamps is taken' told '^250 '
check 'nothing of them is left' delivered forged victim 0
check 'ours stand there once' delivered forged '^(Gatepost-Trace|X-Customer-ID|X-Report-Abuse|CFBL-Address|CFBL-Feedback-ID|Feedback-ID|X-AuthUser|X-SpamExperts-Domain):' 8
check 'and nothing where we write nothing' delivered forged '^(X-Form-Submitter-IP|X-Bulk-Mailer|X-Gatepost-Lane|X-Other-Filter):' 0
check 'the mark of it is ours alone' delivered forged '^X-Gatepost-Tag:' 1
check "another server's results are left alone" delivered forged '^Authentication-Results: other\.example; spf=pass [1-4]$' 4
check 'and one whose name only begins with ours' delivered forged '^Authentication-Results: mx\.host\.example\.other\.example; none [1-4]$' 4
check 'of those with our name there is ours' delivered forged '^Authentication-Results:' 9
check 'the desk hears of it' log_has 'alert kind=trace.copied .*customer=acme account=bob@acme.example'

# One that is longer than what Postfix shows to a milter; Sendmail does not take it at all.
large='Gatepost-Trace: v=1; k=first;'
for i in {1..80}; do
	large+=$'\n\t'$(printf 'victim%.0s' {1..150})
done
deliver alice@acme.example alice@acme.example large "$large" 'From: alice@acme.example' 'Gatepost-Trace: victim' "$large"
if [ "$mta" = postfix ]; then
	check 'nothing is left of copies that are too long to be seen whole' delivered large victim 0
	check 'and one is there' delivered large '^Gatepost-Trace:' 1
else
	check 'headers that are too long are refused' told '^552 '
fi

# ---- what somebody on our host can do with a stamp that he saw
port_kept=$port
port=$back
replay() {	# ID RECIPIENT FROM
	dialogue <<-END
	MAIL FROM:<bob@acme.example>
	RCPT TO:<$2>
	DATA
	$stamp
	$date
	From: $3
	Message-ID: <$1@client.example>

	Buy now.
	.
	END
}
replay one y@dest.example bob@acme.example
check 'to another recipient it is worth nothing' told '^550 5\.7\.1 sender not identified'
check 'and the desk hears of it' log_has 'alert kind=trace.replayed .*reason="Gatepost-Trace is genuine, but another message.s .of customer acme, account bob@acme.example, relay out1'
replay two x@dest.example bob@acme.example
check 'nor for another message' told '^550 5\.7\.1 sender not identified'
replay one x@dest.example carol@other.example
check 'nor from somebody else' told '^550 5\.7\.1 sender not identified'
stamp_kept=$stamp
stamp=$(printf '%s\n' "$stamp" | sed 's/r=out1/r=out2/')
replay one x@dest.example bob@acme.example
check 'nor with a word of it changed' told '^550 5\.7\.1 sender not identified'
check 'which is a forgery' log_has 'alert kind=trace.forged '
stamp=$(printf '%s\n' "$stamp" | sed 's/k=first/k=other/')
replay one x@dest.example bob@acme.example
check 'and what names no key of ours is foreign' log_has 'alert kind=trace.foreign '
stamp=$stamp_kept
replay one x@dest.example bob@acme.example
check 'to the same recipient the same message goes again' told '^250 '
for i in 1 2 3 4; do
	replay one x@dest.example bob@acme.example
done
replay one x@dest.example bob@acme.example
check 'but not for ever' told '^451 4\.7\.1 this message has come back too often'
port=$port_kept

# ---- charged once
deliver bob@acme.example bob@acme.example three 'From: bob@acme.example'
deliver bob@acme.example bob@acme.example four 'From: bob@acme.example'
deliver bob@acme.example bob@acme.example five 'From: bob@acme.example'
deliver bob@acme.example bob@acme.example six 'From: bob@acme.example'
check 'six of six messages pass, each twice through us' told '^250 '
deliver bob@acme.example bob@acme.example seven 'From: bob@acme.example'
check 'the seventh does not' told '^451 4\.7\.1 limit few reached'
check 'the sixth arrives' delivered six

# ---- a message to many comes back in parts
check 'carol may send to many' "$GATEPOSTCTL" -c "$T/gatepost.conf" exempt carol@other.example --limit few --for 1h
{
	printf '%s\n' 'AUTH carol@other.example secret' 'MAIL FROM:<carol@other.example>'
	printf 'RCPT TO:<r%s@dest.example>\n' {1..120}
	printf '%s\n' DATA 'From: carol@other.example' 'Message-ID: <many@client.example>' '' text .
} | dialogue
check 'what she sends is taken' told '^250 '
all_known() {
	[ "$(grep ' verdict=accept class=re-entered customer=other .*msgid=<many@' "$daemon_log" |
	    sed 's/.* rcpts=\([0-9]*\) .*/\1/' | awk '{ n += $1 } END { print n }')" = 120 ]
}
check 'and all of it is known when it comes back' await 10 all_known

# ---- a new key
check 'a second key is there' keys new second
check 'and every relay can open it, before any seals' daemon_reload "$daemon_pid"
shows_keys() {
	"$GATEPOSTCTL" -c "$T/gatepost.conf" status | grep -A 1 '^keys      first, active$' | grep -q '^          second, new$'
}
check 'and status shows that it can' shows_keys
deliver alice@acme.example alice@acme.example old 'From: alice@acme.example'
check 'stamps are sealed with the first' delivered old 'k=first;'
check 'until the second is activated' keys activate second
check 'and loaded' daemon_reload "$daemon_pid"
deliver alice@acme.example alice@acme.example new 'From: alice@acme.example'
check 'then with that' delivered new 'k=second;'
box old
stamp=$(header Gatepost-Trace)
date=$(header Date)
port=$back
replay old x@dest.example alice@acme.example
check 'what the first sealed is known still' log_has 'class=re-entered customer=acme account=alice@acme.example .*msgid=<old@'
keys_refuse() {
	! keys retire first
}
check 'retired keys can be removed, but not the oldest unasked' keys_refuse
check 'with a word more they can' keys retire first --force
check 'and then' daemon_reload "$daemon_pid"
replay old x@dest.example alice@acme.example
check 'what it sealed is foreign, and waits for a key' told '^451 '
t_done
