# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Gatepost authors
#
# redis.sh - real Redis servers for tests, benchmarks and contrib/try. Source it.
#
#     redis_start DIR [SETTING VALUE]...     one server; DIR/socket, and the port in DIR/port
#     redis_replica DIR OF [SETTING VALUE]...   a replica of the server in OF, in step when this returns
#     redis_sentinels DIR                    DIR/a (master), DIR/b, DIR/c (replicas), DIR/s1 to s3 (Sentinels
#                                            of "gatepost")
#     redis_cluster DIR [REPLICAS]           DIR/1 to DIR/3 (masters), DIR/4 to DIR/6 (replicas) unless
#                                            REPLICAS is 0
#     redis DIR COMMAND...                   redis-cli to that server
#     redis_master_of DIR                    which of DIR/a, b, c the Sentinels call master
#     redis_stop DIR; redis_kill DIR         SIGTERM; SIGKILL. Both wait until it is gone
#     redis_freeze DIR; redis_thaw DIR       SIGSTOP; SIGCONT
#     redis_again DIR                        the same server once more, with its settings and its port
#     redis_stop_all                         whatever was started here; call it from the exit trap
#
# Servers stay in the foreground as children of the test, listen on loopback (REDIS_BIND for others) and on a
# unix socket, keep everything below DIR, write no snapshot unless asked, and are ended by their process id.
# Each function returns when the server can be used, and fails after REDIS_WAIT seconds (20).
# REDIS_UNDER="nsenter --net=/run/netns/NAME" starts the server, and asks it, in that namespace. REDIS_SERVER and
# REDIS_CLI may name the programs of Valkey.

redis_all=

redis_have() {
	command -v "${REDIS_SERVER:-redis-server}" >/dev/null && command -v "${REDIS_CLI:-redis-cli}" >/dev/null
}

# redis_until COMMAND...: until it succeeds.
redis_until() {
	r_left=$((${REDIS_WAIT:-20} * 20))
	until "$@" >/dev/null 2>&1; do
		r_left=$((r_left - 1))
		[ "$r_left" -gt 0 ] || return 1
		sleep 0.05
	done
}

redis() {
	r_at=$1
	shift
	if [ -s "$r_at/password" ]; then
		set -- --no-auth-warning -a "$(cat "$r_at/password")" "$@"
	fi
	# shellcheck disable=SC2086
	timeout "${REDIS_WAIT:-20}" ${REDIS_UNDER:-} "${REDIS_CLI:-redis-cli}" -s "$r_at/socket" "$@"
}

redis_port() {
	cat "$1/port"
}

redis_pid() {
	cat "$1/pid"
}

# A port that nobody listens on, below those that the kernel gives to clients, and so that 10,000 more (the
# bus of a cluster) is free to listen on as well. Two tests may still choose the same one: the server then
# ends at once and redis_run tries another.
redis_free_port() {
	while :; do
		r_port=$((12000 + $(od -An -N2 -tu2 /dev/urandom) % 10000))
		# shellcheck disable=SC2086
		${REDIS_UNDER:-} ss -Htnl "sport = :$r_port or sport = :$((r_port + 10000))" 2>/dev/null | grep -q . ||
		    break
	done
	echo "$r_port"
}

redis_up() {
	kill -0 "$(redis_pid "$1")" 2>/dev/null || return 1
	redis "$1" ping 2>&1 | grep -q PONG
}

# Starts what DIR/redis.conf says. 1: it ended; 2: it did not answer in time.
redis_again() {
	rm -f "$1/socket"
	# shellcheck disable=SC2086
	${REDIS_UNDER:-} "${REDIS_SERVER:-redis-server}" "$1/redis.conf" ${2:-} >>"$1/out" 2>&1 &
	echo $! >"$1/pid"
	redis_all="$redis_all $!"
	r_tries=$((${REDIS_WAIT:-20} * 20))
	until redis_up "$1"; do
		kill -0 "$(redis_pid "$1")" 2>/dev/null || return 1
		r_tries=$((r_tries - 1))
		[ "$r_tries" -gt 0 ] || return 2
		sleep 0.05
	done
}

# redis_run DIR OPTION: DIR/settings becomes DIR/redis.conf with a port that turns out to be free.
redis_run() {
	r_attempt=0
	while :; do
		redis_free_port >"$1/port"
		{
			echo "port $(redis_port "$1")"
			cat "$1/settings"
		} >"$1/redis.conf"
		redis_again "$1" "${2:-}" && return 0
		r_attempt=$((r_attempt + 1))
		if [ "$r_attempt" -ge 5 ]; then
			tail -5 "$1/out" "$1/log" >&2
			return 1
		fi
	done
}

# redis_settings DIR [SETTING VALUE]...
redis_settings() {
	r_dir=$1
	shift
	mkdir -p "$r_dir" || return 1
	cat >"$r_dir/settings" <<-END
	bind ${REDIS_BIND:-127.0.0.1}
	protected-mode no
	unixsocket $r_dir/socket
	unixsocketperm 777
	dir $r_dir
	logfile $r_dir/log
	daemonize no
	END
	while [ $# -ge 2 ]; do
		echo "$1 $2" >>"$r_dir/settings"
		[ "$1" != requirepass ] || echo "$2" >"$r_dir/password"
		shift 2
	done
}

redis_start() {
	redis_settings "$@" || return 1
	grep -q '^save ' "$1/settings" || echo 'save ""' >>"$1/settings"
	redis_run "$1"
}

redis_in_step() {
	redis "$1" info replication | grep -q 'master_link_status:up'
}

redis_replica() {
	r_new=$1
	r_of=$2
	shift 2
	redis_start "$r_new" repl-diskless-sync-delay 0 replicaof "127.0.0.1 $(redis_port "$r_of")" "$@" &&
	    redis_until redis_in_step "$r_new"
}

# ---- Sentinel -------------------------------------------------------------------------------

# A Sentinel writes its own configuration: the file is its memory.
redis_sentinel() {
	redis_settings "$1" || return 1
	cat >>"$1/settings" <<-END
	sentinel monitor gatepost 127.0.0.1 $2 2
	sentinel down-after-milliseconds gatepost ${REDIS_DOWN_AFTER:-1000}
	sentinel failover-timeout gatepost 1500
	sentinel parallel-syncs gatepost 1
	END
	redis_run "$1" --sentinel
}

# Knows two replicas and two other Sentinels: a failover can be agreed on.
redis_sentinel_ready() {
	redis "$1" sentinel master gatepost >"$1/said" 2>&1 || return 1
	[ "$(sed -n '/^num-slaves$/{n;p;}' "$1/said")" = 2 ] &&
	    [ "$(sed -n '/^num-other-sentinels$/{n;p;}' "$1/said")" = 2 ]
}

redis_sentinels() {
	r_base=$1
	redis_start "$r_base/a" repl-diskless-sync-delay 0 &&
	    redis_replica "$r_base/b" "$r_base/a" && redis_replica "$r_base/c" "$r_base/a" || return 1
	for r_name in s1 s2 s3; do
		redis_sentinel "$r_base/$r_name" "$(redis_port "$r_base/a")" || return 1
	done
	for r_name in s1 s2 s3; do
		redis_until redis_sentinel_ready "$r_base/$r_name" || return 1
	done
}

redis_master_of() {
	for r_sentinel in "$1"/s1 "$1"/s2 "$1"/s3; do
		r_port=$(redis "$r_sentinel" sentinel get-master-addr-by-name gatepost 2>/dev/null | sed -n 2p)
		[ -z "$r_port" ] || break
	done
	for r_name in "$1"/a "$1"/b "$1"/c; do
		[ "$(redis_port "$r_name")" != "$r_port" ] || echo "$r_name"
	done
}

# ---- Cluster --------------------------------------------------------------------------------

redis_cluster_ready() {
	redis "$1" cluster info | grep -q 'cluster_state:ok' &&
	    [ "$(redis "$1" cluster nodes | grep -c 'connected')" = "$2" ] &&
	    ! redis "$1" cluster nodes | grep -q -E 'fail|handshake'
}

redis_cluster() {
	r_base=$1
	r_replicas=${2:-3}
	r_nodes=$((3 + r_replicas))
	r_addresses=
	r_number=1
	while [ "$r_number" -le "$r_nodes" ]; do
		redis_start "$r_base/$r_number" cluster-enabled yes cluster-config-file nodes.conf \
		    cluster-node-timeout "${REDIS_DOWN_AFTER:-1000}" repl-diskless-sync-delay 0 || return 1
		r_addresses="$r_addresses 127.0.0.1:$(redis_port "$r_base/$r_number")"
		r_number=$((r_number + 1))
	done
	# shellcheck disable=SC2086
	${REDIS_UNDER:-} "${REDIS_CLI:-redis-cli}" --cluster create $r_addresses \
	    --cluster-replicas $((r_replicas / 3)) --cluster-yes >"$r_base/create.log" 2>&1 || {
		tail -5 "$r_base/create.log" >&2
		return 1
	}
	r_number=1
	while [ "$r_number" -le "$r_nodes" ]; do
		redis_until redis_cluster_ready "$r_base/$r_number" "$r_nodes" || return 1
		r_number=$((r_number + 1))
	done
	# Replicas are chosen by redis-cli: any of 4 to 6 may stand behind any of 1 to 3.
	while [ "$r_number" -gt 4 ]; do
		r_number=$((r_number - 1))
		redis_until redis_in_step "$r_base/$r_number" || return 1
	done
}

# redis_node_of DIR KEY: the directory of the master that has this key's slot.
redis_node_of() {
	r_slot=$(redis "$1/1" cluster keyslot "$2")
	for r_name in "$1"/[1-6]; do
		# Its own line in CLUSTER NODES says which ranges it has; a replica's says none.
		r_ranges=$(redis "$r_name" cluster nodes 2>/dev/null | grep myself | cut -d' ' -f9-)
		for r_range in $r_ranges; do
			if [ "${r_range%-*}" -le "$r_slot" ] && [ "${r_range#*-}" -ge "$r_slot" ]; then
				echo "$r_name"
				return 0
			fi
		done
	done
	return 1
}

# ---- ending ---------------------------------------------------------------------------------

redis_is_gone() {
	! kill -0 "$1" 2>/dev/null
}

redis_end() {
	r_pid=$(redis_pid "$2")
	kill "$1" "$r_pid" 2>/dev/null || return 0
	wait "$r_pid" 2>/dev/null || :
	redis_until redis_is_gone "$r_pid"
}

redis_stop() {
	redis_end -TERM "$1"
}

redis_kill() {
	redis_end -KILL "$1"
}

redis_freeze() {
	kill -STOP "$(redis_pid "$1")"
}

redis_thaw() {
	kill -CONT "$(redis_pid "$1")"
}

# Nothing here is worth keeping, and a frozen server would not hear SIGTERM.
redis_stop_all() {
	for r_pid in $redis_all; do
		kill -9 "$r_pid" 2>/dev/null || :
	done
	for r_pid in $redis_all; do
		wait "$r_pid" 2>/dev/null || :
	done
	redis_all=
}
