#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Gatepost authors
#
# Restarts: with the socket held by a service manager no client notices one; a killed daemon lets no more pass
# than the ceiling.
. "${srcdir:-.}/t/lib.sh"

daemon_config <<'END'
limits = ( { name = "day"; per = "account"; count = "messages"; ceilings = [ "1000000/1d" ]; action = "defer"; } );
END
activate() {
	daemon_log=$T/log
	rm -f "$T/pid"
	"$TOOLS/activate" "$SOCKET" "$T/pid" "$GATEPOST" -f -c "$T/gatepost.conf" 2>>"$daemon_log" &
	manager=$!
	t_pids="$t_pids $manager"
	"$TOOLS/play" --wait "$SOCKET" 10
}
pid_changed() {
	[ "$(cat "$T/pid")" != "$old" ]
}
restart() {
	old=$(cat "$T/pid")
	kill -USR1 "$manager"
	await 20 pid_changed
}
check "the daemon takes the socket that it inherits" activate
# One message a session: at every moment some connection is accepted but has not yet said a word.
"$TOOLS/hammer" -n 16 -m 1 -t 6 "$SOCKET" >"$T/load.out" 2>&1 &
load=$!
t_pids="$t_pids $load"
sleep 0.5		# the load is on
from=$(date +%s)
check "a restart under load ends" restart
took=$(($(date +%s) - from))
sleep 0.5
check "and another" restart
sleep 0.5
check "and a third" restart
check "mail did not wait long for it ($took s)" [ "$took" -le 2 ]
wait "$load"
load_status=$?
sed 's/^/# /' "$T/load.out"
check "no client saw an error" [ "$load_status" -eq 0 ]
check "and mail passed" [ "$(field accepted <"$T/load.out")" -gt 100 ]
ended() {
	kill "$manager"
	wait "$manager"
}
check "the daemon ends with status 0" ended

# Killed in the middle, twice: what was accepted in all must stay within the ceiling.
rm -f "$T"/state.db* "$T/log"
daemon_config <<'END'
limits = ( { name = "day"; per = "account"; count = "messages"; ceilings = [ "10000/1d" ]; action = "defer"; } );
END
check "started again" activate
"$TOOLS/hammer" -n 8 -m 20 -t 8 "$SOCKET" >"$T/kill.out" 2>&1 &
load=$!
t_pids="$t_pids $load"
crash() {
	old=$(cat "$T/pid")
	kill -USR2 "$manager"
	await 20 pid_changed
}
taking() {
	grep -q 'verdict=accept' "$daemon_log"
}
check "mail is taken" await 10 taking
check "killed and started under load" crash
sleep 0.3		# so that the second kill meets a daemon at work as well
check "and once more" crash
wait "$load"
sed 's/^/# /' "$T/kill.out"
total=$(field accepted <"$T/kill.out")
check "accepted in all ($total) is within the ceiling of 10,000" [ "$total" -le 10000 ]
# The answers that 8 sessions waited for at each kill may have been taken but never told.
check "and no less than it, but for answers lost with the daemon" [ "$total" -ge 9900 ]
check "the last one ends with status 0" ended
t_done
