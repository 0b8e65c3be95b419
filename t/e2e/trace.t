#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Gatepost authors
#
# Every complaint leads back: messages through Postfix and the daemon, delivered, wrapped as complaints in every form that there
# is, and traced; after a rotation of the keys, without a daemon, forged, foreign, copied, and remembered only.
. "$(dirname "$0")/lib.sh"

wrap=$srcdir/t/e2e/wrap
first=2026a
second=2026b
keys() {
	"$GATEPOSTCTL" keys --keys "$T/keys" "$@" && chown "${daemon_user:-root}" "$T/keys"
}
check 'a key is made' keys new $first

daemon_tables
printf '127.0.0.1\tacme\tcron\n' >>"$T/networks"
e2e_config <<END
trace : { sealed : { keys = "$T/keys"; };
          extras : { report_abuse = "abuse@mx.host.example"; cfbl_address = "fbl@mx.host.example"; }; };
END
daemon_start
e2e_postfix <<END
non_smtpd_milters = unix:$SOCKET
END

# send LOGIN ID HEADER...: remembers whose it is, for `leads`.
sent=
send() {
	s_login=$1
	s_id=$2
	shift 2
	if [ "$s_login" = cron ]; then
		printf '%s\n' 'From: <bob@acme.example>' "Message-ID: <$s_id@client.example>" "$@" '' text |
		    "$(postconf -h sendmail_path)" -i -f bob@acme.example x@dest.example
	else
		deliver "$s_login" "$s_login" "$s_id" "From: <$s_login>" 'Date: Wed, 25 Nov 2026 12:00:00 +0000' "$@"
	fi
	check "$s_id is delivered with a stamp" delivered "$s_id" '^Gatepost-Trace: v=1' 1
	log_has "msgid=<$s_id@client.example>"
	case $s_login in
	*@acme.example | cron) s_customer=acme ;;
	*) s_customer=other ;;
	esac
	echo "$s_id $s_customer $s_login $(sed -n "s/.*: message .* qid=\([^ ]*\) .*msgid=<$s_id@client.example>.*/\1/p" "$daemon_log")" >>"$T/sent"
}
: >"$T/sent"
send bob@acme.example plain 'Subject: Buy'
send carol@other.example folded 'Subject: a long one' "	that is folded" 'X-Long: x' " y" " z"
send alice@acme.example eightbit 'Subject: Grüße' 'X-Note: ä'
send bob@acme.example forging 'Gatepost-Trace: v=1; k=2026a; r=out1; q=4XyZ; t=1; c=AAAA' 'X-Customer-ID: other' 'CFBL-Feedback-ID: gp1:x'
send cron pickup 'Subject: by sendmail(1), without a Date'
send carol@other.example mime 'MIME-Version: 1.0' 'Content-Type: multipart/mixed; boundary="=_b"'

# leads FORM: each message, made a complaint of this form, is traced to its own sender. An address holds a short token, which
# knows the customer only.
leads() {
	l_form=$1
	l_bad=0
	while read -r l_id l_customer l_account l_queue_id; do
		box "$l_id" || { echo "no $l_id in the box"; return 1; }
		"$wrap" "$l_form" <"$file" >"$T/report"
		ctl trace "$T/report" >"$T/traced" 2>&1
		l_code=$?
		case $l_form in *address) l_account= ;; esac
		if [ $l_code -ne 0 ] || ! grep -q "^customer  *$l_customer\$" "$T/traced" || [ -n "$l_account" ] &&
		    ! grep -q "^account  *$l_account\$" "$T/traced" || [ -n "$l_account" ] &&
		    ! grep -q "^relay  *out1, queue id $l_queue_id\$" "$T/traced"; then
			echo "$l_id as $l_form: exit $l_code"
			cat "$T/traced"
			l_bad=1
		fi
	done <"${sent:-$T/sent}"
	[ $l_bad -eq 0 ]
}
all_lead() {	# WHEN [LEFT-OUT]: a check for each form that `wrap` knows
	for form in $("$wrap" --forms); do
		# shellcheck disable=SC2254 # a pattern
		case $form in
		${2:-none}) ;;
		*) check "$1: $form" leads "$form" ;;
		esac
	done
}
all_lead 'traced'

box plain
cp "$file" "$T/plain"
check 'the answer says what is known' ctl trace "$T/plain"
traced() { ctl trace "$T/plain" | grep -q -E -e "$1"; }
check 'client and port' traced '^client +127\.0\.0\.1 port [0-9]+, logged in$'
check 'the key' traced "^key +$first\$"
check 'where it stood' traced '^found +in the header$'
check 'as JSON too' eval 'ctl trace --json "$T/plain" >"$T/json" && grep -q "\"verdict\": \"traced\"" "$T/json"'
check 'which says that stamp and message belong together' grep -q '"same_message": true' "$T/json"
check 'from standard input' eval 'ctl trace <"$T/plain" | grep -q "^customer *acme"'
queue_id=$(sed -n 's/^plain .* //p' "$T/sent")
check 'by its queue id' eval 'ctl trace --queue-id "$queue_id" | grep -q "^message-id *plain@client.example"'
check 'by its Message-ID' eval 'ctl trace --message-id "<plain@client.example>" | grep -q "^return-path *bob@acme.example"'

# ---- what is not ours, or not what it seems
traces_with() {	# EXIT REGEX FILE
	ctl trace "$3" >"$T/traced" 2>&1
	t_code=$?
	[ $t_code -eq "$1" ] && grep -q -E -e "$2" "$T/traced" || {
		echo "exit $t_code"
		cat "$T/traced"
		return 1
	}
}
sed -n '/^Gatepost-Trace/,/^[^ \t]/{/^Gatepost-Trace\|^[ \t]/p}' "$T/plain" >"$T/line"
sed '$s/^\(.\{20\}\)....../\1forged/' "$T/line" >"$T/forged"
check 'a forged stamp is told' traces_with 5 '^forged: ' "$T/forged"
sed 's/k=2026a/k=2025x/' "$T/line" >"$T/foreign"
check 'so is one of a key that is not ours' traces_with 6 '^foreign: ' "$T/foreign"
printf 'Gatepost-Trace: v=1; k=other; r=o; q=q; t=abc; c=%s\n' "$(head -c 1440 /dev/zero | tr '\0' A)" >"$T/large"
check 'as long as they are with a thousand recipients' traces_with 6 '^foreign: ' "$T/large"
printf 'From: x@dest.example\nMessage-ID: <never@dest.example>\n\nhello\n' >"$T/stranger"
check 'and a message that never was ours' traces_with 1 '^not ours: ' "$T/stranger"
check 'nothing is found in nothing' traces_with 1 'no stamp, no token and no Message-ID' /dev/null
sed 's/^From: .*/From: <carol@other.example>/; s/^Message-I[dD]: .*/Message-ID: <other@dest.example>/' "$T/plain" >"$T/copied"
check 'a stamp in another message is in doubt' traces_with 7 '^DOUBT +.*was copied, or the report was edited' "$T/copied"
box folded
"$wrap" attached <"$file" | { cat "$T/line"; cat; } >"$T/two"
check 'so are two customers in one forward' traces_with 7 '^DOUBT +.*more than one customer' "$T/two"
{ cat "$T/forged"; grep -i '^Message-ID:' "$T/plain"; } >"$T/mangled"
check 'a forged stamp beside a Message-ID that is known' traces_with 7 '^DOUBT +.*forged' "$T/mangled"

# ---- complaints become incidents
"$wrap" arf <"$T/plain" >"$T/report"
check 'a complaint is recorded' eval 'ctl complaint "$T/report" >"$T/told"'
check 'its incident is named' grep -q -E '^incident +[0-9A-Z]{5} of bob@acme\.example$' "$T/told"
check 'and the desk is told, with what the stamp knew' log_has "alert kind=complaint\.received incident=$(sed -n 's/^incident *\([^ ]*\).*/\1/p' "$T/told") severity=warning customer=acme account=bob@acme\.example client=127\.0\.0\.1 .*qid=$queue_id .*reason=\"complaint \(abuse\) by .* on out1\""
check 'who filed it is logged' log_has 'api did=complaint by="uid '
check 'the same again counts once' eval 'ctl complaint "$T/report" | grep -q "incident .*(counted already: "'
sed 's/^From: Feedback .*/From: <other@example.net>/' "$T/report" >"$T/renamed"
check 'and under another name, when the message had one recipient' eval 'ctl complaint "$T/renamed" | grep -q "incident .*(counted already: "'
box forging
"$wrap" arf <"$file" >"$T/report"
check 'one about another message belongs to the same incident' \
    eval '[ "$(ctl complaint "$T/report" | grep ^incident)" = "$(grep ^incident "$T/told")" ]'
# A spammer elsewhere writes the stamp of another into his text, which the report quotes.
"$wrap" arf <"$T/stranger" | sed "/^This is an abuse report/r $T/line" >"$T/quoting"
check 'a stamp that is only quoted leads somewhere' traces_with 0 '^customer +acme$' "$T/quoting"
check 'but is no complaint about its customer' eval '! ctl complaint "$T/quoting" >"$T/told" 2>&1 && grep -q "leads to nobody" "$T/told"'
check 'and is shown' grep -q '^stamp .*in the text: not counted, since the message is there: of acme' "$T/told"
check 'what is in doubt is put on nobody' eval '! ctl complaint "$T/two" 2>"$T/told" && grep -q "in doubt" "$T/told"'
check 'so is what is not ours' eval '! ctl complaint "$T/stranger" 2>"$T/told" && grep -q "leads to nobody" "$T/told"'

# ---- a rotation in two steps, as all relays must do it
check 'a second key is made' keys new $second
check 'and loaded' daemon_reload
check 'and becomes the active one' keys activate $second
check 'once all have it' daemon_reload
send alice@acme.example later 'Subject: after the rotation'
check 'a message of now carries the new key' eval 'box later && grep -q "k=$second" "$file"'
grep -E '^(plain|later) ' "$T/sent" >"$T/two.sent"
sent=$T/two.sent
all_lead 'after the rotation'
sent=

# ---- without a daemon, and without the memory
check 'the daemon ends' daemon_stop
for form in arf-headers-base64 xarf4-mail cfbl quoted -id; do
	check "without a daemon: $form" leads "$form"
done
rm -f "$T"/state.db-trace-*
grep '^folded ' "$T/sent" >"$T/one.sent"
sent=$T/one.sent
all_lead 'without a memory' '-*id'
"$wrap" -id <"$T/plain" >"$T/report"
check 'a Message-ID alone leads nowhere then' traces_with 1 '^not ours: ' "$T/report"
check 'with a key file and no configuration' \
    eval '"$GATEPOSTCTL" -c /nonexistent --keys "$T/keys" trace "$T/plain" | grep -q "^customer *acme"'
check 'the old key is removed' keys retire --force $first
check 'and is no key of ours any more' traces_with 6 '^foreign: ' "$T/line"
t_done
