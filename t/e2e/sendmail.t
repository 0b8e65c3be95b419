#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Gatepost authors
#
# Mail from the relay itself, by sendmail(1): refused mail bounces, what would be deferred is held, nothing is tried for ever.
. "$(dirname "$0")/lib.sh"

daemon_tables
printf '127.0.0.1\tacme\tcron\n' >>"$T/networks"
e2e_config <<'END'
limits = (
  { name = "burst"; per = "account"; count = "messages"; ceilings = [ "4/1h" ]; action = "defer"; },
  { name = "many"; per = "account"; count = "recipients"; ceilings = [ "100/1h" ]; action = "defer"; }
);
END
daemon_start
e2e_postfix <<END
non_smtpd_milters = unix:$SOCKET
END
sendmail=$(postconf -h sendmail_path)

# mail ID "OPTIONS" HEADER...
mail() {
	m_id=$1
	m_options=$2
	shift 2
	# shellcheck disable=SC2086
	printf '%s\n' "$@" "Message-ID: <$m_id@client.example>" '' text | "$sendmail" -i $m_options
}
maildrop_empty() {
	[ -z "$(find "$P/queue/maildrop" -type f)" ]
}
queue_id_of() {
	sed -n "s/.*cleanup\[[0-9]*\]: \([^ :]*\): message-id=<$1@client.example>.*/\1/p" "$P/log/maillog" | tail -n 1
}

mail owned '-f bob@acme.example x@dest.example' 'From: bob@acme.example' 'X-Customer-ID: victim'
check 'an owned sender is delivered, stamped' delivered owned '^X-Customer-ID: acme$'
check 'once, without the forged one' delivered owned '^X-Customer-ID' 1
check 'the log has its queue id' log_has "message .*qid=$(queue_id_of owned) verdict=tag .*customer=acme account=cron"
mail bcc '-f bob@acme.example -t' 'From: bob@acme.example' 'To: x@dest.example' 'Bcc: secret@dest.example'
check 'sendmail -t is delivered' delivered bcc '^X-Customer-ID: acme$'
check 'with every recipient counted' log_has 'message .*rcpts=2 msgid=<bcc@client.example>'

mail foreign '-f bob@acme.example x@dest.example' 'From: ceo@bank.example'
check 'a foreign From is refused' maillog_has 'milter-reject: .*From address ceo@bank\.example is not registered'
bounced() {
	grep -l -i '^Subject: Undelivered Mail Returned to Sender' "$P"/box/new/* >"$T/bounces" && [ "$(wc -l <"$T/bounces")" -eq 1 ]
}
check 'and comes back to the sender' await 10 bounced
check 'which hears why' grep -q 'From address ceo@bank.example is' "$(head -n 1 "$T/bounces")"
box_of_foreign() {
	grep -L -i '^Subject: Undelivered' $(grep -l -F '<foreign@client.example>' "$P"/box/new/*) | grep -q .
}
check 'it is not delivered' [ -z "$(box_of_foreign)" ]
check 'nothing stays in the maildrop' await 5 maildrop_empty

mail third '-f bob@acme.example x@dest.example' 'From: bob@acme.example'
check 'under the limit' delivered third
mail fourth '-f bob@acme.example x@dest.example' 'From: bob@acme.example'
check 'the last one too' delivered fourth
mail fifth '-f bob@acme.example x@dest.example' 'From: bob@acme.example'
check 'what goes over is held' maillog_has 'milter-hold: '
check 'and marked so in the queue' await 5 held "$(queue_id_of fifth)"
check 'it is not offered again and again' await 5 maildrop_empty
once() {
	[ "$(grep -c 'message .*verdict=hold .*msgid=<fifth@client.example>' "$daemon_log")" -eq 1 ]
}
check 'it was judged once' once

# With the filter gone, what sendmail(1) took waits in the maildrop.
daemon_stop
rm -f "$T"/state.db*
mail later '-f bob@acme.example x@dest.example' 'From: bob@acme.example'
waiting() {
	grep -q 'milter-reject.*4\.7\.1 Service unavailable' "$P/log/maillog" && ! maildrop_empty
}
check 'without the filter it waits' await 10 waiting
daemon_start
# pickup looks every minute by itself.
check 'pickup is told to look again' postkick public pickup W
check 'with the filter it goes' delivered later '^X-Customer-ID: acme$'
check 'the daemon ends with status 0' daemon_stop
t_done
