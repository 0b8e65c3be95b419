#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Gatepost authors
#
# Whose addresses may be used, and where the refusal falls: the return-path at MAIL, the From field at the
# end.
. "${srcdir:-.}/t/lib.sh"

daemon_config </dev/null
daemon_start
play <<'END'
test an owned sender passes, stamped with its customer
id 4AA1
deliver bob@acme.example <bob@acme.example> <x@dest.example> bob@acme.example
expect pass
expect field X-Customer-ID: acme
expect fields X-Customer-ID 1

test the sender's own domain is enough, the mailbox need not be its own
deliver bob@acme.example <news@acme.example> <x@dest.example> "News" <news@acme.example>
expect pass

test a foreign return-path is refused at MAIL
login bob@acme.example
mail <carol@other.example>
expect reply 550 5.7.1
expect at MAIL

test a foreign From field is refused at the end of message
deliver bob@acme.example <bob@acme.example> <x@dest.example> carol@other.example
expect reply 550 5.7.1
expect at EOM

test one foreign mailbox among owned ones is enough
deliver bob@acme.example <bob@acme.example> <x@dest.example> bob@acme.example, carol@other.example
expect reply 550 5.7.1

test a second, foreign From field is seen
login bob@acme.example
mail <bob@acme.example>
rcpt <x@dest.example>
header From: bob@acme.example
header fRoM: carol@other.example
header Message-ID: <two@client.example>
eom
expect reply 550 5.7.1
expect at EOM

test a From field that cannot be parsed is not owned
deliver bob@acme.example <bob@acme.example> <x@dest.example> bob@acme.example <
expect reply 550 5.7.1

test the null return-path passes when the From field is owned
deliver bob@acme.example <> <x@dest.example> bob@acme.example
expect pass

test and is refused when it is not
deliver bob@acme.example <> <x@dest.example> carol@other.example
expect reply 550 5.7.1
expect at EOM

test nobody known is refused at MAIL
session nobody
login -
mail <bob@acme.example>
expect reply 550 5.7.1
expect at MAIL

test a client in the networks table needs no login
session network
connect web.client.example 192.0.2.200 41000
deliver - <bob@acme.example> <x@dest.example> bob@acme.example
expect pass
expect field X-Customer-ID: acme

test but owns no more than its customer
deliver - <bob@acme.example> <x@dest.example> carol@other.example
expect reply 550 5.7.1
END
check "the queue id stands in the log line" log_has 'qid=4AA1 .*customer=acme'
daemon_stop

daemon_config <<'END'
mode = "monitor";
END
daemon_start
play <<'END'
test in monitor mode a foreign return-path passes
login bob@acme.example
id 4MM1
mail <carol@other.example>
expect pass
rcpt <x@dest.example>
header From: carol@other.example
header Message-ID: <m@client.example>
eom
expect pass
expect field X-Customer-ID: acme
END
check "the log says what would have been done" log_has 'qid=4MM1 .*would=reject'
daemon_stop
t_done
