#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Gatepost authors
#
# One session, many messages: nothing of one shows in the next; local mail; what an aborted one leaves behind.
. "${srcdir:-.}/t/lib.sh"

daemon_config <<'END'
limits = ( { name = "burst"; per = "account"; count = "messages"; ceilings = [ "5/1h" ]; action = "defer"; } );
END
daemon_start
play <<'END'
test a message without From does not inherit the last one's
id 4L01
deliver bob@acme.example <bob@acme.example> <x@dest.example> bob@acme.example
expect pass
id 4L02
mail <bob@acme.example>
rcpt <x@dest.example>
header Message-ID: <nofrom@client.example>
eom
expect fields From 0
expect at EOM

test MAIL after MAIL, without an abort between, begins anew
mail <bob@acme.example>
rcpt <first@dest.example>
mail <bob@acme.example>
rcpt <second@dest.example>
header From: bob@acme.example
header Message-ID: <again@client.example>
id 4L03
eom
expect pass

test a refused MAIL does not spoil the next
mail <carol@other.example>
expect reply 550 5.7.1
deliver bob@acme.example <bob@acme.example> <x@dest.example> bob@acme.example
expect pass

test an aborted message takes nothing from the limit
mail <alice@acme.example>
login alice@acme.example
abort
mail <alice@acme.example>
rcpt <x@dest.example>
header From: alice@acme.example
abort
mail <alice@acme.example>
rcpt <x@dest.example>
header From: alice@acme.example
text not finished
abort
deliver alice@acme.example <alice@acme.example> <x@dest.example> alice@acme.example
expect pass
deliver alice@acme.example <alice@acme.example> <x@dest.example> alice@acme.example
expect pass
deliver alice@acme.example <alice@acme.example> <x@dest.example> alice@acme.example
expect pass
deliver alice@acme.example <alice@acme.example> <x@dest.example> alice@acme.example
expect pass
deliver alice@acme.example <alice@acme.example> <x@dest.example> alice@acme.example
expect pass
deliver alice@acme.example <alice@acme.example> <x@dest.example> alice@acme.example
expect reply 451 4.7.1

test the login of one message is not the next one's
login -
mail <bob@acme.example>
expect reply 550 5.7.1
expect at MAIL

test quit in the middle of a message, then a new session
login carol@other.example
mail <carol@other.example>
rcpt <x@dest.example>
header From: carol@other.example
quit
deliver carol@other.example <carol@other.example> <x@dest.example> carol@other.example
expect pass
END
check "each message has its own queue id in the log" log_has 'qid=4L01 '
check "the id of the second is not the first's" log_has 'qid=4L02 .*msgid=<nofrom@client.example>'
check "recipients of the message that MAIL cut off are gone" log_has 'qid=4L03 .*rcpts=1 '

# Local mail as cleanup hands it over: port 0, no brackets, the queue id at MAIL. Nobody known there.
play <<'END'
test local mail is never refused before its end
connect pickup
login -
id 4P01
mail www-data@web.example
rcpt x@dest.example
header From: www-data@web.example
header Message-ID: <local@web.example>
eom
expect at EOM
expect reply 550 5.7.1

test another local message in the same session
id 4P02
mail -
rcpt x@dest.example
header From: www-data@web.example
header Message-ID: <local2@web.example>
eom
expect at EOM
END
check "and its queue id is known" log_has 'qid=4P01 '
daemon_stop

rm -f "$T"/state.db*
daemon_config <<'END'
identity : { unidentified = "defer"; local = "accept"; };
limits = ( { name = "all"; per = "everyone"; count = "messages"; ceilings = [ "1/1h" ]; action = "defer"; } );
END
daemon_start
play <<'END'
test identity.local says what becomes of unknown local mail
connect pickup
mail www-data@web.example
rcpt x@dest.example
header From: www-data@web.example
header Message-ID: <local0@web.example>
eom
expect pass

test local mail that would be deferred is held instead
connect pickup
id 4P03
mail www-data@web.example
rcpt x@dest.example
header From: www-data@web.example
header Message-ID: <local3@web.example>
eom
expect hold
expect at EOM

test mail over SMTP is deferred
session smtp
mail <www-data@web.example>
expect reply 451 4.7.1
END
daemon_stop
t_done
