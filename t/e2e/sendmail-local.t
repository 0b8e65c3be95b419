#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Gatepost authors
#
# Mail from the relay itself through Sendmail's submission queue: an SMTP client like others, that waits where Postfix's
# maildrop would not. And what passes no filter.
mta=sendmail
. "$(dirname "$0")/lib.sh"

daemon_tables
printf '127.0.0.1\tacme\tcron\n' >>"$T/networks"
e2e_config <<'END'
identity : { bounce_domains = [ "mx.host.example" ]; };
limits = (
  { name = "burst"; per = "account"; count = "messages"; ceilings = [ "4/1h" ]; action = "defer"; },
  { name = "many"; per = "account"; count = "recipients"; ceilings = [ "100/1h" ]; action = "defer"; }
);
END
daemon_start
e2e_mta </dev/null

# mail ID "OPTIONS" HEADER...
mail() {
	m_id=$1
	m_options=$2
	shift 2
	# shellcheck disable=SC2086
	printf '%s\n' "$@" "Message-ID: <$m_id@client.example>" '' text | sendmail_submit "$P" -i $m_options >"$T/mailed" 2>&1
}
waits() {
	sendmail_submission "$P" -bp | tr -s '\n\t ' ' ' | grep -F "$1"
}

mail owned '-f bob@acme.example x@dest.example' 'From: bob@acme.example' 'X-Customer-ID: victim'
check 'an owned sender is delivered, stamped' delivered owned '^X-Customer-ID: acme$'
check 'once, without the forged one' delivered owned '^X-Customer-ID' 1
owned_by_msp() {
	sed '/^$/,$d' "$file" | tr -s '\n\t' '  ' | grep -q "Received: (from nobody@localhost) by mx\.host\.example"
}
check 'it tells which user called sendmail(1)' owned_by_msp
check 'the log has the client that it was' log_has 'message .*verdict=tag .*customer=acme account=cron client=127\.0\.0\.1 .*msgid=<owned@'
mail bcc '-f bob@acme.example -t' 'From: bob@acme.example' 'To: x@dest.example' 'Bcc: secret@dest.example'
check 'sendmail -t is delivered' delivered bcc '^X-Customer-ID: acme$'
check 'without Bcc' delivered bcc '^Bcc' 0
check 'with every recipient counted' log_has 'message .*rcpts=2 msgid=<bcc@client.example>'
mail nofrom '-f bob@acme.example x@dest.example' 'Subject: no From'
check 'a From that sendmail(1) has to write is owned too' delivered nofrom '^From: bob@acme\.example$'

mail foreign '-f bob@acme.example x@dest.example' 'From: ceo@bank.example'
check 'a foreign From is refused' log_has 'message .*verdict=reject code=ownership\.from .*msgid=<foreign@client\.example>'
bounced() {
	bounce=$(grep -l -i '^Subject: Returned mail' "$P"/box/new/* | head -n 1) && [ -n "$bounce" ]
}
check 'and comes back to the sender' await 10 bounced
check 'which hears why' grep -q 'From address ceo@bank.example is' "$bounce"
check 'the bounce is charged to who sent' log_has 'message .*verdict=accept .*account=cron .*sender=<> from=mailer-daemon@mx\.host\.example'
check 'the message is not delivered' [ -z "$(grep -L -i '^Subject: Returned' $(grep -l -F '<foreign@client.example>' "$P"/box/new/*))" ]
check 'nothing waits' queue_empty

mail over '-f bob@acme.example x@dest.example' 'From: bob@acme.example'
check 'what is over the limit waits in the submission queue' await 10 waits '(Deferred: 451 4.7.1 limit burst reached'
raised() {
	ctl raise account cron --limit burst --to 20/1h --for 1h
}
check 'the desk raises the limit' raised
check 'and with the next run it goes' sendmail_submission "$P" -q
check 'stamped' delivered over '^X-Customer-ID: acme$'

# With the filter gone, what sendmail(1) took waits in the submission queue.
daemon_stop
rm -f "$T"/state.db*
mail later '-f bob@acme.example x@dest.example' 'From: bob@acme.example'
check 'without the filter it waits' await 10 waits '(Deferred: 451 4.3.2 Please try again later'
daemon_start
check 'with the filter it goes' sendmail_submission "$P" -q
check 'stamped' delivered later '^X-Customer-ID: acme$'

printf '%s\n' 'From: ceo@bank.example' 'Message-ID: <direct@client.example>' '' text |
    sendmail_run "$P" -Am -i -f bob@acme.example x@dest.example
check "root's sendmail -Am goes past every filter" delivered direct '^X-Customer-ID' 0
check 'the daemon ends with status 0' daemon_stop
t_done
