# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Gatepost authors
#
# nsd.sh - a real name server (NSD) for a test, on a loopback port and in a folder of its own. Source it after
# t/lib.sh.
#
#     nsd_start <<-'END'
#     	acme.example.	TXT	"v=spf1 -all"
#     END
#     ... "127.0.0.1@$nsd_port" ...
#     nsd_freeze; nsd_thaw		as if the host were gone for a while
#     nsd_signed=yes; nsd_start ...	with DNSSEC; $nsd_anchor is the file of the trust anchor.
#					nsd_forge is a sed script that changes the zone after it was signed
#
# It serves the root zone with what standard input says (ttl 300 where none is given), so that any name may
# stand in it; the rest is NXDOMAIN with 120 seconds. It runs in a process group of its own, is ended by its
# pid.

nsd_pid=
nsd_port=
nsd_signed=
nsd_forge=
nsd_anchor=$T/nsd/anchor

# A port that is free for UDP and TCP.
nsd_free_port() {
	perl -MIO::Socket::INET -e 'for (1 .. 50) {
		my $t = IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1", LocalPort => 0) or next;
		my $p = $t->sockport;
		my $u = IO::Socket::INET->new(Proto => "udp", LocalAddr => "127.0.0.1", LocalPort => $p)
		    or next;
		print $p; exit 0 } exit 1'
}

nsd_start() {
	nsd_port=$(nsd_free_port) || t_skip "no free port"
	command -v nsd >/dev/null || t_skip "NSD is not installed"
	mkdir -p "$T/nsd"
	{
		printf '$TTL 300\n. SOA ns.invalid. root.invalid. 1 3600 600 86400 120\n. NS ns.invalid.\n'
		cat
	} >"$T/nsd/zone"
	[ -z "$nsd_signed" ] || nsd_sign
	cat >"$T/nsd/nsd.conf" <<-END
	server:
		ip-address: 127.0.0.1@$nsd_port
		username: ""
		zonesdir: "$T/nsd"
		database: ""
		pidfile: "$T/nsd/nsd.pid"
		zonelistfile: "$T/nsd/zone.list"
		xfrdfile: "$T/nsd/xfrd.state"
		xfrdir: "$T/nsd"
		server-count: 1
		rrl-ratelimit: 0
	remote-control:
		control-enable: no
	zone:
		name: "."
		zonefile: "zone"
	END
	setsid nsd -d -c "$T/nsd/nsd.conf" >"$T/nsd/log" 2>&1 &
	nsd_pid=$!
	t_pids="$t_pids $nsd_pid"
	if ! await 10 grep -q 'nsd started' "$T/nsd/log" || grep 'error' "$T/nsd/log"; then
		check "NSD starts" false
		sed 's/^/# /' "$T/nsd/log"
		t_done
	fi
}

nsd_sign() (
	cd "$T/nsd" || exit 1
	nsd_key=$(ldns-keygen -k -a ECDSAP256SHA256 .) && cp "$nsd_key.ds" anchor &&
	    ldns-signzone -f zone.signed zone "$nsd_key" && sed "$nsd_forge" zone.signed >zone
)

nsd_stop() {
	kill "$nsd_pid" && await 5 gone "$nsd_pid"
}

nsd_freeze() {
	kill -s STOP -- "-$nsd_pid"
}

nsd_thaw() {
	kill -s CONT -- "-$nsd_pid"
}
