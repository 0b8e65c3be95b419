#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Gatepost authors
#
# The DNS as a real name server serves it, and while that one is stopped.
. "${srcdir:-.}/t/lib.sh"
. "${srcdir:-.}/t/nsd.sh"
ask=$top/t/dns/ask
outage=$top/t/dns/outage

{
	cat <<-'END'
	acme.example.		TXT	"v=spf1 ip4:192.0.2.7 " "-all"
	several.example.	TXT	"one"
	several.example.	TXT	"three"
	several.example.	TXT	"two" " and a half"
	bytes.example.		TXT	"a\000b\"\\\255"
	acme.example.	7200	MX	20 B.Acme.example.
	acme.example.	7200	MX	10 a.acme.example.
	none.example.		MX	0 .
	a.acme.example.	5	A	192.0.2.1
	a.acme.example.	5	A	192.0.2.2
	a.acme.example.		AAAA	2001:db8::1
	7.2.0.192.in-addr.arpa.	PTR	Mail.acme.example.
	7.2.0.192.in-addr.arpa.	PTR	out1.host.example.
	1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa. PTR six.host.example.
	c1.example.		CNAME	c2.example.
	c2.example.	60	CNAME	c3.example.
	c3.example.		CNAME	c4.example.
	c4.example.		CNAME	acme.example.
	loop1.example.		CNAME	loop2.example.
	loop2.example.		CNAME	loop1.example.
	dangling.example.	CNAME	nowhere.example.
	lab.test.		A	192.0.2.9
	*.wild.example.		A	192.0.2.3
	END
	i=0
	while [ $i -lt 61 ]; do i=$((i + 1)); printf 'many.example. TXT "record number %02d"\n' $i; done
	printf 'long.example. TXT'
	i=0
	while [ $i -lt 16 ]; do i=$((i + 1)); printf ' "%0200d"' 0; done
	printf '\n'
} >"$T/zone"
nsd_start <"$T/zone"

cat >"$T/want" <<-'END'
acme.example TXT found 300 "v=spf1 ip4:192.0.2.7 -all"
ACME.Example. TXT found 300 "v=spf1 ip4:192.0.2.7 -all"
several.example TXT found 300 "one" | "three" | "two and a half"
bytes.example TXT found 300 "a\000b"\\255"
acme.example MX found 3600 10 a.acme.example | 20 b.acme.example
none.example MX found 300 0 .
a.acme.example A found 30 192.0.2.1 | 192.0.2.2
a.acme.example AAAA found 300 2001:db8::1
acme.example A no-data 120
nothing.example A no-name 120
7.2.0.192.in-addr.arpa PTR found 300 mail.acme.example | out1.host.example
1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa PTR found 300 six.host.example
c1.example TXT found 60 "v=spf1 ip4:192.0.2.7 -all"
c1.example A no-data 60
loop1.example A failed 15 SERVFAIL or no answer
dangling.example A no-name 120
lab.test A found 300 192.0.2.9
x.wild.example A found 300 192.0.2.3
..example A no-name 300
END
cut -d' ' -f1,2 "$T/want" | "$ask" "127.0.0.1@$nsd_port" >"$T/got" 2>&1
check "records of every type" diff "$T/want" "$T/got"
printf 'many.example TXT\nlong.example TXT\n' | "$ask" "127.0.0.1@$nsd_port" >"$T/got"
check "61 records" [ "$(head -1 "$T/got" | grep -o 'record number' | wc -l)" = 61 ]
check "a record of 3200 bytes" [ "$(tail -1 "$T/got" | tr -cd 0 | wc -c)" -ge 3200 ]

"$outage" "127.0.0.1@$nsd_port" "$nsd_pid" >"$T/outage" 2>&1
sed 's/^\(not \)\{0,1\}ok/# &/; /^1\.\./d' "$T/outage"
check "the resolver is stopped, and comes back" [ "$(grep -c '^ok' "$T/outage")" = 10 ]
nsd_thaw
nsd_stop

# With a trust anchor: proven, and forged after it was signed.
nsd_signed=yes
nsd_forge='s/192\.0\.2\.9/192.0.2.10/'
nsd_start <"$T/zone"
cat >"$T/want" <<-'END'
acme.example TXT found 300 "v=spf1 ip4:192.0.2.7 -all" (secure)
c1.example TXT found 60 "v=spf1 ip4:192.0.2.7 -all" (secure)
acme.example A no-data 120 (secure)
nothing.example A no-name 120 (secure)
x.wild.example A found 300 192.0.2.3 (secure)
END
cut -d' ' -f1,2 "$T/want" | "$ask" "127.0.0.1@$nsd_port" 5000 "$nsd_anchor" >"$T/got" 2>&1
check "what DNSSEC proves" diff "$T/want" "$T/got"
echo 'lab.test A' | "$ask" "127.0.0.1@$nsd_port" 5000 "$nsd_anchor" >"$T/got" 2>&1
check "a forged record is bogus" grep -q '^lab.test A failed 15 bogus' "$T/got"
t_done
