#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Gatepost authors
#
# Preflight with a resolver that is dead, slow or lies: no message waits longer than preflight.budget in all, and none is
# refused because of it; with one that comes back, it is as before within 30 seconds.
. "${srcdir:-.}/t/lib.sh"
. "${srcdir:-.}/t/nsd.sh"

budget=200
grace=100	# ms: of a machine that does other things

cat >"$T/accounts" <<'END'
bob@acme.example	acme
END
cat >"$T/domains" <<'END'
acme.example	acme
wild.example	acme
END
: >"$T/networks"
: >"$T/customers"

config() {
	daemon_config <<-END
	preflight : {
		egress = [ "192.0.2.7", "2001:db8::7" ]; helo = "out1.host.example"; signing = [ "own" ]; selectors = [ "s" ];
		budget = "${budget}ms"; dns = { servers = [ "127.0.0.1@$1" ]; }; drift = { interval = "0"; };
	};
	END
}

# The longest that a message since line $1 of the log spent in checks, in ms.
longest() {
	sed "1,$1d" "$daemon_log" | sed -n 's/^.*message txn=.* us=\([0-9]*\).*/\1/p' | sort -n | tail -n 1 | sed 's/...$//; s/^$/0/'
}
lines() {
	wc -l <"$daemon_log"
}
within_budget() {
	t_ms=$(longest "$1")
	echo "longest: $t_ms ms"
	[ "${t_ms:-9999}" -le $((budget + grace)) ]
}
# Messages of domains that were not asked about yet: five in a row, each with two that have to be asked.
five() {
	for i in 1 2 3 4 5; do
		printf '%s\n' "test $1, message $i passes" 'login bob@acme.example' "mail <bob@$1-$i.wild.example>" 'rcpt <x@dest.example>' \
		    "header From: bob@from-$1-$i.wild.example" "header Message-ID: <$1-$i@client.example>" eom 'expect pass'
	done
}

{
	cat <<-'END'
	acme.example.			TXT	"v=spf1 ip4:192.0.2.7 ip6:2001:db8::7 -all"
	_dmarc.acme.example.		TXT	"v=DMARC1; p=reject"
	s._domainkey.acme.example.	TXT	"v=DKIM1; p=MIGf"
	wild.example.			TXT	"v=spf1 -all"
	END
	# What is asked while the resolver is away has records that would refuse.
	for i in 1 2 3 4 5; do
		echo "frozen-$i.wild.example. TXT \"v=spf1 -all\""
		echo "_dmarc.from-frozen-$i.wild.example. TXT \"v=DMARC1; p=reject\""
	done
} >"$T/zone"
nsd_start <"$T/zone"
config "$nsd_port"
daemon_start

play <<'END'
test a domain in order passes untouched
deliver bob@acme.example <bob@acme.example> <x@dest.example> bob@acme.example
expect pass
expect fields X-Gatepost-Tag 0

test one that forbids our servers is refused, and told what to do
login bob@acme.example
mail <bob@wild.example>
rcpt <x@dest.example>
header From: bob@acme.example
header Message-ID: <fail@client.example>
eom
expect reply 550 5.7.23 the SPF record of wild.example
END

# ---- a reload
records() {
	"$GATEPOSTCTL" -c "$T/gatepost.conf" metrics | sed -n 's/^gatepost_dns_records //p'
}
known=$(records)
config "$nsd_port"
check 'a reload with the same resolver' daemon_reload
check 'keeps what is known of the DNS' [ "$(records)" -ge "${known:-1}" ]

# ---- frozen
from=$(lines)
nsd_freeze
five frozen >"$T/script"
play <"$T/script"
check 'frozen: nobody waits longer than the budget' within_budget "$from"
check 'frozen: they are tagged as unsure' [ "$(sed "1,${from}d" "$daemon_log" | grep -c 'verdict=tag code=preflight.unsure')" -eq 5 ]
play <<'END'
test frozen: a message in the name of eight domains passes
login bob@acme.example
mail <bob@many.wild.example>
rcpt <x@dest.example>
header From: b@1.wild.example, b@2.wild.example, b@3.wild.example, b@4.wild.example, b@5.wild.example, b@6.wild.example, b@7.wild.example, b@8.wild.example
header Sender: bob@acme.example
header Message-ID: <many@client.example>
eom
expect pass
END
check 'frozen: and waits no longer than others' within_budget "$from"
many() {
	"$TOOLS/hammer" -n 32 -m 2 -c 64 -l bob@acme.example "$SOCKET"
}
check 'frozen: sixty-four messages of a known domain at once pass' many
check 'frozen: and wait no longer' within_budget "$from"
nsd_thaw
again=0
back() {
	again=$((again + 1))
	sed "s/frozen-1/frozen-2/g; s/@client/-$again@client/" "$T/script" | sed -n '1,8p' | sed 's/expect pass/expect reply 550 5.7.23/' |
	    "$TOOLS/play" "$SOCKET"
}
check 'the name server is back: it is judged again within 30 seconds' await 30 back

# ---- liars
resident() {
	sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$daemon_pid/status"
}
memory=$(resident)
threads=$(ls "/proc/$daemon_pid/task" | wc -l)
for how in silent slow garbage short wrong-id wrong-name servfail refused truncated nxdomain; do
	rm -f "$T/port"
	"${srcdir:-.}/t/liar" "$T/port" $how 2>"$T/liar.err" &
	t_liar=$!
	t_pids="$t_pids $t_liar"
	await 10 test -s "$T/port" || check "$how: it starts" false
	config "$(cat "$T/port")"
	check "$how: a reload takes it as the resolver" daemon_reload
	from=$(lines)
	five $how >"$T/script"
	# The first two are enough: the rest is the same.
	sed -n '1,16p' "$T/script" >"$T/script.two"
	play <"$T/script.two"
	check "$how: nobody waits longer than the budget" within_budget "$from"
	kill "$t_liar"
done
# Tables, resolver and cache of the configurations before are given back with their last session.
few() {
	[ "$(ls "/proc/$daemon_pid/task" | wc -l)" -le $((threads + 2)) ]
}
check 'ten reloads later there are no more threads than before' await 20 few
slim() {
	echo "$memory kB before, $(resident) after"
	[ "$(resident)" -le $((memory + 65536)) ]
}
check 'and hardly more memory' slim
check 'nothing was refused' [ "$(sed "1,${from}d" "$daemon_log" | grep -c 'verdict=\(reject\|defer\)')" -eq 0 ]
check 'the daemon ends with status 0' daemon_stop
t_done
