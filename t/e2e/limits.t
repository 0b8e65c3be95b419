#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Gatepost authors
#
# Limits over SMTP: exactly the ceiling passes; hold ends in the hold queue, slow in the slow transport; suspend, raise, release.
. "$(dirname "$0")/lib.sh"

# The daemon runs as nobody, who may not look into our source tree.
cp "$srcdir/etc/signatures.conf" "$T/"
e2e_config <<END
mailers : { signatures = "$T/signatures.conf"; first_seen = "off"; actions = { bulk = "tag"; webshell = "tag"; }; };
limits = (
  { name = "burst"; per = "account"; count = "messages"; ceilings = [ "15/1h" ]; action = "defer"; },
  { name = "size"; per = "customer"; count = "recipients"; ceilings = [ "60/1h" ]; action = "defer"; },
  { name = "held"; per = "account"; when = { mailer = [ "interspire" ]; }; count = "messages"; ceilings = [ "1/1h" ];
    action = "hold"; },
  { name = "lane"; per = "account"; when = { mailer = [ "phplist" ]; }; count = "messages"; ceilings = [ "1/1h" ];
    action = "slow"; }
);
END
daemon_start
slow_lane=
[ "$mta" = sendmail ] || slow_lane="milter_header_checks = regexp:$srcdir/contrib/postfix/gatepost_slow"
e2e_mta <<<"$slow_lane"
if [ "$mta" = postfix ]; then
	cat >>"$P/etc/master.cf" <<'END'
slow      unix  -  n  n  -  1  virtual
  -o syslog_name=postfix/slow
END
	check 'Postfix takes the slow transport' postfix_reload "$P"
fi

load sessions=1 messages=20 login=bob@acme.example password=secret id=serial
check 'one after the other: 15 of 20 pass' [ "$(load_count accepted)" -eq 15 ]
check 'and 5 are told to try again' [ "$(load_count deferred)" -eq 5 ]
check 'with words that name the limit' grep -q '451 4\.7\.1 \(<[^>]*>\.\.\. \)\?limit burst reached: 15 messages per 1h; try again in' "$T/load.log"
deliver bob@acme.example bob@acme.example known 'From: bob@acme.example'
check 'who is known to be over hears it at MAIL, before any data' at_mail '451 4\.7\.1 limit burst reached'
load sessions=20 messages=1 login=alice@acme.example password=secret id=parallel
check 'all at once: 15 of 20 pass' [ "$(load_count accepted)" -eq 15 ]
check 'and 5 are told to try again' [ "$(load_count deferred)" -eq 5 ]
all_30() {
	[ "$(cat "$P"/box/new/* | grep -c -E '^Message-ID: <(serial|parallel)-')" -eq 30 ]
}
check 'as many are delivered' await 20 all_30
raised() {
	ctl raise account alice@acme.example --limit burst --to 17/1h --for 1h
}
check 'the desk raises a limit' raised
load sessions=5 messages=1 login=alice@acme.example password=secret id=raised
check 'two more pass' [ "$(load_count accepted)" -eq 2 ]

recipients() {
	echo 'AUTH carol@other.example secret'
	echo 'MAIL FROM:<carol@other.example>'
	for i in $(seq "$1"); do
		echo "+ RCPT TO:<r$i@dest.example>"
	done
	printf '%s\n' DATA 'From: carol@other.example' "Message-ID: <recipients$1@client.example>" '' x .
}
recipients 61 | dialogue
check 'more recipients than the limit can ever hold are refused for good' told '^550 5\.7\.1 limit size allows 60 recipients'
recipients 40 | dialogue
check 'a message that fits passes' told '^250 '
recipients 21 | dialogue
check 'one that does not fit any more is told to try again' told '^451 4\.7\.1 limit size reached: 60 recipients per 1h'
recipients 8 | dialogue
check 'it took nothing: a smaller one passes' told '^250 '

interspire=('From: carol@other.example' 'X-Mailer-LID: 12' 'X-Mailer-RecptId: 345')
deliver carol@other.example carol@other.example hold1 "${interspire[@]}"
check 'the first message under a limit that holds is delivered' delivered hold1 '^X-Bulk-Mailer: interspire$'
deliver carol@other.example carol@other.example hold2 "${interspire[@]}"
check 'for the next the client hears 250' told '^250 '
id=$(queued_as)
check 'and it lies in the hold queue' await 5 held "$id"
check 'under the same queue id in the log' log_has "message .*qid=$id verdict=hold code=limit.exceeded"
check 'nobody got it' not_delivered hold2
check 'the postmaster releases it' release "$id"
check 'and it goes out, stamped' delivered hold2 '^X-Customer-ID: other$'

# went LANE: what took the last message. Sendmail has no lane: the mark is all.
went() {
	case $mta$1 in
	postfix) maillog_has "postfix/virtual\[[0-9]*\]: $(queued_as): .*status=sent" ;;
	postfixslow) maillog_has "postfix/slow/virtual\[[0-9]*\]: $(queued_as): .*relay=slow, .*status=sent" ;;
	sendmail) delivered "$d_id" '^X-Gatepost-Lane' 0 ;;
	sendmailslow) delivered "$d_id" '^X-Gatepost-Lane: slow$' 1 ;;
	esac
}
phplist=('From: carol@other.example' 'X-phpList-version: 3.6.1')
deliver carol@other.example carol@other.example slow1 "${phplist[@]}"
check 'the first message under a limit that slows goes the usual way' went ''
deliver carol@other.example carol@other.example slow2 "${phplist[@]}"
check 'the next goes through the slow transport' went slow
check 'with the mark that sent it there' delivered slow2 '^X-Gatepost-Lane: slow$'
deliver carol@other.example carol@other.example slow3 'X-Gatepost-Lane: slow' 'From: carol@other.example'
check 'nobody can slow a message down by writing the mark' went ''

suspended() {
	ctl suspend account carol@other.example --for 1h --reason test
}
check 'the desk suspends an account' suspended
deliver carol@other.example carol@other.example suspended 'From: carol@other.example'
check 'which hears it with the next message' told '^550 5\.7\.1 sending is suspended for this account'
check 'at MAIL' at_mail '550 5\.7\.1 sending is suspended'
check 'and is released' ctl release account carol@other.example
deliver carol@other.example carol@other.example freed 'From: carol@other.example'
check 'to send again' told '^250 '
check 'the MTA had nothing to complain of' content
check 'the daemon ends with status 0' daemon_stop
t_done
