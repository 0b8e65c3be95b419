#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Gatepost authors
#
# Many sessions at once: exactly the ceiling passes, no more and no less.
. "${srcdir:-.}/t/lib.sh"

daemon_config <<'END'
limits = ( { name = "day"; per = "account"; count = "messages"; ceilings = [ "1000/1d" ]; action = "defer"; } );
END
daemon_start
hammered() {
	"$TOOLS/hammer" -n 64 -m 7 -c 1600 "$SOCKET" >"$T/hammer.out" 2>&1
	t_status=$?
	cat "$T/hammer.out"
	return $t_status
}
check "64 sessions hammer one limit without an error" hammered
check "exactly 1,000 of 1,600 are accepted" [ "$(field accepted <"$T/hammer.out")" = 1000 ]
check "the others are deferred" [ "$(field deferred <"$T/hammer.out")" = 600 ]
check "most of them at MAIL already" [ "$(field at_mail <"$T/hammer.out")" -gt 400 ]

# Another account: two limits of which only one is reached; nothing may be taken of the other for what was
# refused.
daemon_stop
rm -f "$T"/state.db*
daemon_config <<'END'
limits = (
  { name = "account"; per = "account"; count = "messages"; ceilings = [ "100/1d" ]; action = "defer"; },
  { name = "customer"; per = "customer"; count = "messages"; ceilings = [ "150/1d" ]; action = "defer"; }
);
END
daemon_start
"$TOOLS/hammer" -n 16 -c 300 "$SOCKET" >"$T/bob.out" 2>&1
"$TOOLS/hammer" -n 16 -c 300 -l alice@acme.example "$SOCKET" >"$T/alice.out" 2>&1
check "one account gets its 100" [ "$(field accepted <"$T/bob.out")" = 100 ]
check "the other gets what its customer has left, 50" [ "$(field accepted <"$T/alice.out")" = 50 ]
check "the daemon ends as asked" daemon_stop
t_done
