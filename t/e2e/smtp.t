#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Gatepost authors
#
# The ways in which a client can say it: sessions of several messages, RSET, pipelining, BDAT, SMTPUTF8, null sender, hanging up.
# sendmail-smtp.t runs it through Sendmail.
. "$(dirname "$0")/lib.sh"

daemon_tables
cat >>"$T/domains" <<'END'
xn--mller-kva.example	acme
END
e2e_config <<'END'
identity : { bounce_domains = [ "mx.host.example" ]; };
limits = ( { name = "many"; per = "account"; count = "recipients"; ceilings = [ "1000/1h" ]; action = "defer"; } );
END
daemon_start
e2e_mta </dev/null
"${mta}_user" "$P" Alice@ACME.example secret

deliver bob@acme.example bob@acme.example owned 'From: bob@acme.example'
check 'an owned sender is taken' told "^$taken"
check 'and delivered with the stamp' delivered owned '^X-Customer-ID: acme$' 1
check 'the log names the queue id that the client was told' log_has "^.*message .*qid=$(queued_as) verdict=accept .*account=bob@acme.example"

deliver bob@acme.example bob@other.example foreign-path 'From: bob@acme.example'
check 'a foreign return-path is refused' told '^550 5\.7\.1 return-path bob@other\.example is not registered'
check 'at MAIL' at_mail '550 5\.7\.1 return-path'
deliver bob@acme.example bob@acme.example foreign-from 'From: bob@acme.example, "Boss" <ceo@bank.example>'
check 'a foreign mailbox among those in From is refused' told '^550 5\.7\.1 From address ceo@bank\.example'
check 'at its end, when From is known' at_mail '250 '
check 'and not delivered' not_delivered foreign-from
deliver bob@acme.example '100%off@bank.example' percent 'From: bob@acme.example'
check 'per cent signs in a reply stay single' told '^550 5\.7\.1 return-path 100%off@bank\.example is not'
deliver '' bob@acme.example nobody 'From: bob@acme.example'
check 'nobody knows a client without login' told '^550 5\.7\.1 sender not identified'
deliver Alice@ACME.example alice@acme.example case 'From: alice@acme.example'
check 'a login in capitals is the same account' told '^250 '
check 'by its one name' log_has 'account=alice@acme.example .*msgid=<case@client.example>'

copies=()
for name in X-Customer-ID x-customer-id X-CUSTOMER-ID X-Customer-Id X-Gatepost-Tag X-Bulk-Mailer X-Form-Submitter-IP; do
	copies+=("$name: victim" "$name:victim" "$name:"$'\n\tvictim' "$name : victim" "$name"$'\t:\tvictim' "$name: víctim victim" "$name:")
done
deliver bob@acme.example bob@acme.example forged "${copies[@]}" 'From: bob@acme.example' 'Subject: kept' "${copies[@]}"
check 'a message full of forged headers is taken' told '^250 '
check 'and delivered with one customer' delivered forged '^X-Customer-ID:' 1
check 'the true one' delivered forged '^X-Customer-ID: acme$'
check 'nothing forged is left' delivered forged victim 0
check 'what was not ours to remove is there' delivered forged '^Subject: kept$'

dialogue <<'END'
AUTH bob@acme.example secret
MAIL FROM:<bob@acme.example>
RCPT TO:<x@dest.example>
DATA
From: bob@acme.example
Message-ID: <many1@client.example>

.
MAIL FROM:<bob@acme.example>
RCPT TO:<x@dest.example>
DATA
From: ceo@bank.example
X-Customer-ID: victim
Message-ID: <many2@client.example>

.
MAIL FROM:<bob@other.example>
MAIL FROM:<bob@acme.example>
RCPT TO:<x@dest.example>
DATA
From: bob@acme.example
Message-ID: <many3@client.example>

.
END
check 'in a session of several messages each is judged by itself' said "^S: $taken" 2
check 'the foreign ones are refused' said '^S: 550 5\.7\.1 ' 2
check 'the first is delivered' delivered many1
check 'so is the last' delivered many3 '^X-Gatepost-Tag' 0
check 'the one between is not' not_delivered many2
check 'each has its own line in the log' log_has 'message .*\.4 .*msgid=<many3@client.example>'

dialogue <<'END'
AUTH bob@acme.example secret
MAIL FROM:<bob@acme.example>
RCPT TO:<y@dest.example>
RCPT TO:<z@dest.example>
RSET
MAIL FROM:<bob@acme.example>
RCPT TO:<x@dest.example>
DATA
From: bob@acme.example
Message-ID: <reset@client.example>

.
END
check 'after RSET the next message goes its way' delivered reset '^X-Customer-ID: acme$'
check 'without the recipients from before' log_has 'rcpts=1 msgid=<reset@client.example>'
check 'what was given up says so' log_has 'message .*verdict=aborted .*account=bob@acme.example'

dialogue <<'END'
AUTH bob@acme.example secret
+ MAIL FROM:<bob@other.example>
+ RCPT TO:<x@dest.example>
+ RSET
+ MAIL FROM:<bob@acme.example>
+ RCPT TO:<x@dest.example>
+ RCPT TO:<y@dest.example>
DATA
From: bob@acme.example
Message-ID: <pipeline@client.example>

.
END
check 'pipelined: the foreign return-path is refused' said '^S: 550 5\.7\.1 return-path' 1
check 'and the next in the same breath is taken' delivered pipeline '^X-Customer-ID: acme$'

if [ "$mta" = postfix ]; then
	dialogue <<'END'
AUTH bob@acme.example secret
+ MAIL FROM:<bob@acme.example>
+ RCPT TO:<x@dest.example>
BDAT
From: bob@acme.example
X-Customer-ID: vic
.
BDAT LAST
Message-ID: <bdat@client.example>

Text.
.
+ MAIL FROM:<bob@acme.example>
+ RCPT TO:<x@dest.example>
BDAT
From: bob@acme.example
Message-ID: <bdat-reset@client.example>
.
RSET
+ MAIL FROM:<bob@acme.example>
+ RCPT TO:<x@dest.example>
BDAT LAST
From: ceo@bank.example
Message-ID: <bdat-foreign@client.example>

.
END
	check 'BDAT: taken in chunks' delivered bdat '^X-Customer-ID: acme$'
	check 'and the forged copy is gone' delivered bdat '^X-Customer-ID' 1
	check 'a foreign From is refused at the last chunk' said '^S: 550 5\.7\.1 From address ceo@bank\.example' 1
	check 'a chunk that was taken back is not delivered' not_delivered bdat-reset

	dialogue <<'END'
AUTH bob@acme.example secret
MAIL FROM:<jürgen@müller.example> SMTPUTF8
RCPT TO:<bücher@dest.example>
DATA
From: Jürgen Müller <jürgen@müller.example>
Message-ID: <utf8@client.example>
Subject: Grüße

.
MAIL FROM:<bob@acme.example> SMTPUTF8
RCPT TO:<x@dest.example>
DATA
From: Jürgen <jürgen@bänk.example>
Message-ID: <utf8-foreign@client.example>

.
END
	check 'SMTPUTF8: an owned international domain' delivered utf8 '^X-Customer-ID: acme$'
	check 'and a foreign one' said '^S: 550 5\.7\.1 From address ' 1
else
	check 'Sendmail offers neither BDAT nor SMTPUTF8' said 'CHUNKING|SMTPUTF8' 0
fi

deliver bob@acme.example '' null 'From: bob@acme.example'
check 'null return-path with a login and an owned From' delivered null '^X-Customer-ID: acme$'
deliver bob@acme.example '' null-foreign 'From: ceo@bank.example'
check 'the From rules hold for it' told '^550 5\.7\.1 From address ceo@bank\.example'
deliver '' '' bounce 'From: MAILER-DAEMON@mx.host.example'
check 'a bounce of our own relay passes' delivered bounce '^X-Customer-ID' 0
check 'and belongs to nobody' log_has 'message .*class=bounce .*msgid=<bounce@client.example>'
deliver '' '' bounce-foreign 'From: ceo@bank.example'
check 'with a foreign From it is no bounce of ours' told '^550 5\.7\.1 From address ceo@bank\.example'
check 'and is not delivered' not_delivered bounce-foreign
source=127.0.0.7
deliver '' '' stranger 'From: MAILER-DAEMON@mx.host.example'
source=
check 'the null return-path is no pass for others' told '^550 5\.7\.1 sender not identified'

dialogue <<'END'
AUTH bob@acme.example secret
MAIL FROM:<bob@acme.example>
RCPT TO:<gone@dest.example>
HANGUP
END
aborted_twice() {
	[ "$(grep -c 'verdict=aborted' "$daemon_log")" -ge 2 ]
}
check 'a client that hangs up leaves its line' await 5 aborted_twice
sessions_gone() {
	ctl status | grep -q '^sessions *0 open'
}
check 'no session is left behind' await 10 sessions_gone
check 'the MTA had nothing to complain of' content
check 'the daemon ends with status 0' daemon_stop
t_done
