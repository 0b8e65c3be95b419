#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Gatepost authors
#
# Three relays and one desk: an incident is told once and has one name, whichever relay's reply shows it;
# that Redis is gone is told once, and that it is back; a relay that alone is cut off is told by another
# one; one that ends is not missed.
. "$(dirname "$0")/../redis/lib.sh"

# relay N: starts it; its log is $T/logN. As the ACL user of the manual, of its own name, so that it can be
# cut off.
relay() {
	sed "s|milter\.sock|milter$1.sock|; s|api\.sock|api$1.sock|; s|\"out1\"|\"out$1\"|; s|state\.db|state$1.db|
	    s|USER|out$1|" "$T/gatepost.conf" >"$T/gatepost$1.conf"
	"$GATEPOST" -f -c "$T/gatepost$1.conf" 2>"$T/log$1" &
	eval "relay_$1=$!"
	t_pids="$t_pids $!"
	"$TOOLS/play" --wait "$T/milter$1.sock" 10
}

# alerts KIND: those of all relays; alert_from N KIND.
alerts() {
	grep -h "alert kind=$1" "$T"/log[123]
}
told() {
	[ "$(alerts "$1" | wc -l)" = "$2" ]
}
alert_from() {
	grep -q "alert kind=$2" "$T/log$1"
}
says() {
	grep -q -E "$2" "$T/log$1"
}
status_says() {
	"$GATEPOSTCTL" -c "$T/gatepost$1.conf" status | grep -q -E "$2"
}

set -f
rules=$(sed -n '/^user gatepost on/,/^\.Ed/p' "$srcdir/etc/gatepost.conf.5" |
    sed '$d; s/^user gatepost on >PASSWORD//' | tr '\n' ' ')
redis_start "$T/r" appendonly yes || t_skip 'Redis does not start'
for name in out1 out2 out3; do
	echo "user $name on >not-a-secret $rules" >>"$T/r/redis.conf"
	# shellcheck disable=SC2086
	redis "$T/r" acl setuser $name on '>not-a-secret' $rules >/dev/null
done
set +f
echo not-a-secret >"$T/secret"
chmod 755 "$T/r"
daemon_config <<END
store : { type = "redis"; file = "$T/state.db"; servers = [ "$(at "$T/r")" ]; user = "USER";
          password_file = "$T/secret"; connections = 1; relays_least = 3; };
limits = ( { name = "burst"; per = "account"; count = "messages"; ceilings = [ "3/1h" ]; action = "defer"; } );
END
for n in 1 2 3; do
	check "relay $n starts" relay $n
done
for n in 1 2 3; do
	check "relay $n knows the others" await 10 status_says $n 'out3'
done

play "$T/milter1.sock" <<'END'
test the limit
deliver bob@acme.example <bob@acme.example> <x@dest.example> bob@acme.example
deliver bob@acme.example <bob@acme.example> <x@dest.example> bob@acme.example
deliver bob@acme.example <bob@acme.example> <x@dest.example> bob@acme.example
expect pass
deliver bob@acme.example <bob@acme.example> <x@dest.example> bob@acme.example
expect reply 451 4.7.1 limit burst reached
END
play "$T/milter2.sock" <<'END'
test is over everywhere
deliver bob@acme.example <bob@acme.example> <x@dest.example> bob@acme.example
expect reply 451 4.7.1 limit burst reached
END
check 'it is told' await 5 told 'limit.exceeded' 1
told=$(alerts limit.exceeded | field incident)
name_in() {
	[ "$(grep ' message .*verdict=defer' "$T/log$1" | field incident | sort -u)" = "$told" ]
}
check 'the first relay names the incident that is told' await 5 name_in 1
check 'the second one names it as well' await 5 name_in 2

redis_kill "$T/r"
for n in 1 2 3; do
	check "relay $n judges alone" await 10 says $n 'Redis does not answer'
done
check 'the first relay tells that Redis is gone' await 10 alert_from 1 store.degraded
redis_again "$T/r"
for n in 1 2 3; do
	check "relay $n asks it again" await 10 says $n 'Redis answers again'
done
check 'one relay tells that it is back' await 10 told store.restored 1

# What has no event: a relay that ends says good-bye.
kill "$relay_2" && wait "$relay_2"
# An hour later, as it were: nobody holds the right to tell any more.
redis "$T/r" --scan --pattern '*}claim1:alerts:*' | while read -r key; do
	redis "$T/r" del "$key" >/dev/null </dev/null
done
check 'a relay that ends is off the list' \
    sh -c "! '$GATEPOSTCTL' -c '$T/gatepost1.conf' status | grep -q '^ *out2'"
redis "$T/r" acl setuser out3 off >/dev/null
redis "$T/r" client kill user out3 >/dev/null
check 'a relay that alone is cut off is missed' await 30 told store.degraded 2
check 'by the other one' \
    sh -c "tail -20 '$T/log1' | grep 'alert kind=store.degraded' | grep -q 'subject=out3'"
redis "$T/r" acl setuser out3 on >/dev/null
check 'and heard of again' await 10 \
    sh -c "'$GATEPOSTCTL' -c '$T/gatepost3.conf' status | grep -v DEGRADED | grep -q '^ *out3'"
check 'that is told, by one of the two' await 10 told store.restored 2
check 'nobody missed the relay that ended' \
    sh -c "! grep -h 'alert kind=store' '$T'/log? | grep -q 'subject=out2'"
check 'all in all: Redis gone and back, a relay gone' told store.degraded 2
check 'and back' told store.restored 2
alerts 'store' | sed 's/^/# /'

t_done
