#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Gatepost authors
#
# Limits: exactly the ceiling passes; who is known to be over hears it at MAIL; hold becomes quarantine;
# suspension.
. "${srcdir:-.}/t/lib.sh"

daemon_config <<'END'
limits = (
  { name = "burst"; per = "account"; count = "messages"; ceilings = [ "3/1h" ]; action = "defer"; }
);
END
daemon_start
play <<'END'
test three messages pass under a ceiling of three
deliver bob@acme.example <bob@acme.example> <x@dest.example> bob@acme.example
expect pass
deliver bob@acme.example <bob@acme.example> <x@dest.example> bob@acme.example
expect pass
deliver bob@acme.example <bob@acme.example> <x@dest.example> bob@acme.example
expect pass

test the fourth is deferred at the end of message, and the reply names the limit
deliver bob@acme.example <bob@acme.example> <x@dest.example> bob@acme.example
expect reply 451 4.7.1 limit burst reached
expect at EOM

test the fifth is deferred at MAIL already
deliver bob@acme.example <bob@acme.example> <x@dest.example> bob@acme.example
expect reply 451 4.7.1 limit burst reached
expect at MAIL

test the same in a new session
session second
login bob@acme.example
mail <bob@acme.example>
expect reply 451 4.7.1 burst
expect at MAIL

test another account of the same customer is not concerned
deliver alice@acme.example <alice@acme.example> <x@dest.example> alice@acme.example
expect pass
END
daemon_stop
rm -f "$T"/state.db*

daemon_config <<'END'
limits = (
  { name = "burst"; per = "account"; count = "messages"; ceilings = [ "1/1h" ]; action = "hold"; }
);
END
daemon_start
play <<'END'
test the first passes
deliver bob@acme.example <bob@acme.example> <x@dest.example> bob@acme.example
expect pass
test a limit that holds puts the next into quarantine, stamped
deliver bob@acme.example <bob@acme.example> <x@dest.example> bob@acme.example
expect hold limit
expect at EOM
expect field X-Customer-ID: acme
END
daemon_stop
rm -f "$T"/state.db*

daemon_config <<'END'
limits = (
  { name = "burst"; per = "account"; count = "messages"; ceilings = [ "1/1h" ]; action = "suspend 24h"; }
);
END
daemon_start
play <<'END'
test a limit that suspends defers the message that went over
deliver bob@acme.example <bob@acme.example> <x@dest.example> bob@acme.example
expect pass
deliver bob@acme.example <bob@acme.example> <x@dest.example> bob@acme.example
expect reply 451 4.7.1 limit
END
# A suspension is in force within a second, on every relay.
suspended() {
	printf '%s\n' 'test x' 'login bob@acme.example' 'mail <bob@acme.example>' 'expect reply 550 5.7.1 suspended' |
	    "$TOOLS/play" "$SOCKET"
}
check "and from then on the account is suspended" await 3 suspended
play <<'END'
test a suspended account hears it at MAIL
login bob@acme.example
mail <bob@acme.example>
expect reply 550 5.7.1 suspended
expect at MAIL
test its customer's other accounts go on
deliver alice@acme.example <alice@acme.example> <x@dest.example> alice@acme.example
expect pass
END
daemon_stop
rm -f "$T"/state.db*

daemon_config <<'END'
limits = (
  { name = "burst"; per = "account"; count = "messages"; ceilings = [ "1/1h" ]; action = "defer"; mode = "monitor"; }
);
END
daemon_start
play <<'END'
test a limit in monitor mode lets everything pass
deliver bob@acme.example <bob@acme.example> <x@dest.example> bob@acme.example
expect pass
id 4WW2
deliver bob@acme.example <bob@acme.example> <x@dest.example> bob@acme.example
expect pass
END
check "and the log says what it would have done" log_has 'qid=4WW2 .*would=defer'
daemon_stop
rm -f "$T"/state.db*

daemon_config <<'END'
limits = (
  { name = "rcpts"; per = "customer"; count = "recipients"; ceilings = [ "5/1h" ]; action = "reject"; }
);
END
daemon_start
play <<'END'
test recipients are counted over accounts, the same one once a message
login bob@acme.example
mail <bob@acme.example>
rcpt <a@dest.example>
rcpt <b@dest.example>
rcpt <B@dest.example>
rcpt <c@dest.example>
header From: bob@acme.example
header Message-ID: <three@client.example>
eom
expect pass

test what does not fit takes nothing
login alice@acme.example
mail <alice@acme.example>
rcpt <a@dest.example>
rcpt <b@dest.example>
rcpt <c@dest.example>
header From: alice@acme.example
header Message-ID: <too-many@client.example>
eom
expect reply 550 5.7.1 limit rcpts

test so a smaller message still passes
mail <alice@acme.example>
rcpt <a@dest.example>
rcpt <b@dest.example>
header From: alice@acme.example
header Message-ID: <two@client.example>
eom
expect pass

test a retry of the same message is free
abort
mail <alice@acme.example>
rcpt <a@dest.example>
rcpt <b@dest.example>
header From: alice@acme.example
header Message-ID: <two@client.example>
eom
expect pass
END
daemon_stop
t_done
