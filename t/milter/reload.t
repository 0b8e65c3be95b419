#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Gatepost authors
#
# SIGHUP: the new configuration is in force for new sessions, open ones are not disturbed, a bad file changes
# nothing.
. "${srcdir:-.}/t/lib.sh"

limit() {
	daemon_config <<-END
	limits = ( { name = "burst"; per = "account"; count = "messages"; ceilings = [ "$1/1d" ]; action = "defer"; } );
	END
}
# accepted_now N COUNT: of COUNT messages by a fresh account, N pass.
probe() {
	"$TOOLS/hammer" -n 4 -c "$2" -l "$3" "$SOCKET" >"$T/probe.out" 2>&1
	cat "$T/probe.out"
	[ "$(field accepted <"$T/probe.out")" = "$1" ]
}
limit 100000
daemon_start
cp "$T/gatepost.conf" "$T/first.conf"

"$TOOLS/hammer" -n 16 -m 20 -t 4 "$SOCKET" >"$T/load.out" 2>&1 &
load=$!
t_pids="$t_pids $load"
reloads() {
	for t_i in 1 2 3 4 5 6 7 8 9 10; do
		limit $((100000 + t_i))
		daemon_reload || return 1
	done
}
check "ten reloads under load are done" reloads
limit 5
check "and one more, with a small ceiling" daemon_reload
wait "$load"
load_status=$?
check "no session was dropped under it" [ "$load_status" -eq 0 ]
sed 's/^/# /' "$T/load.out"
check "the new ceiling is in force" probe 5 12 alice@acme.example

printf 'limits = ( { name = "burst"; per = "nobody"; } );\nmode = "maybe";\n' >>"$T/gatepost.conf"
check "a bad file is told" daemon_reload
check "with the place of the mistake" log_has 'gatepost.conf:[0-9]+'
check "and the old configuration stays in force" probe 5 12 carol@other.example
check "the daemon still runs" kill -0 "$daemon_pid"

rm "$T/gatepost.conf"
check "a missing file is told as well" daemon_reload
play <<'END'
test and mail goes on
login carol@other.example
mail <carol@other.example>
expect reply 451 4.7.1 burst
END
check "the daemon ends as asked" daemon_stop
t_done
