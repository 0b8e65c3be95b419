#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Gatepost authors
#
# The stamp: copies that the sender wrote go, whatever they look like, and one of ours comes.
. "${srcdir:-.}/t/lib.sh"

daemon_config </dev/null
daemon_start
play <<'END'
test twenty forged copies are removed, from the highest index down
login bob@acme.example
mail <bob@acme.example>
rcpt <x@dest.example>
header From: bob@acme.example
headers 5 X-Customer-ID: victim
headers 5 x-customer-id: victim
headers 5 X-CUSTOMER-ID: folded\n\tvictim
headers 3 X-customer-Id:
headers 2 X-Customer-ID: \n victim
header Message-ID: <forged@client.example>
eom
expect pass
expect descending X-Customer-ID
expect fields X-Customer-ID 1
expect field X-Customer-ID: acme

test and the attempt is marked
expect fields X-Gatepost-Tag 1

test other fields are left alone
expect fields From 1
expect fields Message-ID 1
expect edits 22

test a thousand copies are no different
mail <bob@acme.example>
rcpt <x@dest.example>
header From: bob@acme.example
headers 1000 X-Customer-ID: victim
header Message-ID: <thousand@client.example>
eom
expect pass
expect fields X-Customer-ID 1
expect field X-Customer-ID: acme
END
daemon_stop

# The daemon runs as nobody, who may not look into our source tree.
cp "${srcdir:-.}/etc/signatures.conf" "$T/"
daemon_config <<END
mailers : { signatures = "$T/signatures.conf"; };
END
daemon_start
play <<'END'
test Interspire is named, tagged and delivered
login bob@acme.example
id 4I01
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

test a copy of that field that the sender wrote does not stay
mail <bob@acme.example>
rcpt <x@dest.example>
header From: bob@acme.example
header X-Bulk-Mailer: none
header Message-ID: <plain@client.example>
eom
expect fields X-Bulk-Mailer 0
END
check "the log names the mailer" log_has 'qid=4I01 .*mailer=interspire'
daemon_stop

# Sealed, with all that can be written; the daemon's user must be able to read the keys.
"$GATEPOSTCTL" -c "$T/gatepost.conf" keys new --keys "$T/trace.keys" >/dev/null
[ -z "$daemon_user" ] || chown "$daemon_user" "$T/trace.keys"
daemon_config <<END
trace : {
  sealed = { keys = "$T/trace.keys"; };
  extras = { report_abuse = "abuse@host.example"; cfbl_address = "fbl@host.example"; feedback_id = "hostexample"; authserv_id = "out1.host.example"; };
  also = { X-AuthUser = "account"; };
};
END
daemon_start
play <<'END'
test every name of ours is cleared from the highest index down, and written once
login bob@acme.example
id 4I02
mail <bob@acme.example>
rcpt <x@dest.example>
headers 8 Gatepost-Trace: v=1; k=x; r=y; q=z; t=1; c=AAAA
headers 8 gatepost-trace: \n\tv=1;\n\tk=x
headers 4 GATEPOST-TRACE:
headers 20 Feedback-ID: a:b:c:victim
headers 20 cfbl-address: evil@client.example
headers 20 CFBL-Feedback-ID: \n victim
headers 20 X-REPORT-ABUSE: victim
headers 20 X-AuthUser: victim
header From: bob@acme.example
header Message-ID: <all@client.example>
eom
expect pass
expect descending Gatepost-Trace
expect descending Feedback-ID
expect descending CFBL-Address
expect descending CFBL-Feedback-ID
expect descending X-Report-Abuse
expect descending X-AuthUser
expect fields Gatepost-Trace 1
expect fields Feedback-ID 1
expect fields CFBL-Address 1
expect field CFBL-Address: fbl@host.example; report=arf
expect fields CFBL-Feedback-ID 1
expect fields X-Report-Abuse 1
expect fields X-AuthUser 1
expect field X-AuthUser: bob@acme.example

test results of other servers stay, those with our name go, whatever stands between
mail <bob@acme.example>
rcpt <x@dest.example>
header Authentication-Results: other.example; spf=pass
header Authentication-Results: out1.host.example; auth=pass smtp.auth=victim
header authentication-results: (a (comment) \\) \n here) "Out1.Host.Example" 1; none
header Authentication-Results: "out1.\\host.exam\\ple"; auth=pass smtp.auth=victim
header Authentication-Results: out1.host.example.other.example; none
header Authentication-Results: out1.host.example
header Authentication-Results:
header From: bob@acme.example
header Message-ID: <results@client.example>
eom
expect pass
expect descending Authentication-Results
expect fields Authentication-Results 4

test bytes that are no text, and thousands of them, do no harm
mail <bob@acme.example>
rcpt <x@dest.example>
headers 1500 Gatepost-Trace: v=1; k=x; r=y; q=z; t=1; c=AAAA\xff\x01
header From: bob@acme.example
header Message-ID: <many@client.example>
eom
expect pass
expect descending Gatepost-Trace
expect fields Gatepost-Trace 1
END
play <<END
test nor does one as long as Postfix lets through
login bob@acme.example
mail <bob@acme.example>
rcpt <x@dest.example>
header Gatepost-Trace: v=1; k=x; c=$(head -c 59000 /dev/zero | tr '\0' A)
header From: bob@acme.example
header Message-ID: <large@client.example>
eom
expect pass
expect fields Gatepost-Trace 1
END
check "the attempt is told" log_has 'kind=trace.copied '
check "and the stamp's mark is in the log" log_has 'msgid=<all@client.example> stamp=[0-9a-f]{8} '
daemon_stop
t_done
