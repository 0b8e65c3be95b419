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
t_done
