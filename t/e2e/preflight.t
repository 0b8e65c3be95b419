#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Gatepost authors
#
# Preflight over SMTP against a real name server: what is refused, what is tagged, what the client hears; gatepostctl
# preflight says the same and proposes records that pass; domains that moved away are told once.
. "$(dirname "$0")/lib.sh"
. "$srcdir/t/nsd.sh"

cat >"$T/domains" <<'END'
acme.example	acme
moved.example	acme
soft.example	acme
unsigned.example	acme
other.example	other
bob@mailbox.example	acme
.sub.example	acme
END
# A customer's whose name servers are gone: the walk over all domains gets beyond them.
for i in $(seq 10 31); do
	printf 'a%s.dead.example\tacme\n' "$i" >>"$T/domains"
done
cat >"$T/accounts" <<'END'
bob@acme.example	acme
alice@acme.example	acme
carol@other.example	other
END
printf '192.0.2.200\tacme\n' >"$T/networks"
: >"$T/customers"
cat >"$T/also" <<'END'
acme me@freemail.example
END
cat >"$T/exempt" <<'END'
other until=2026-01-31
END
mkdir "$T/opendkim"
cat >"$T/opendkim/opendkim.conf" <<END
Mode sv
SigningTable refile:$T/opendkim/signing
KeyTable $T/opendkim/keys
END
cat >"$T/opendkim/signing" <<'END'
*@acme.example acme
*@unsigned.example gone
END
cat >"$T/opendkim/keys" <<'END'
acme acme.example:2026a:/nonexistent/acme.private
gone unsigned.example:2026a:/nonexistent/gone.private
END
nsd_start <<'END'
acme.example.			TXT	"v=spf1 include:_spf.host.example -all"
acme.example.			MX	10 mx.host.example.
_spf.host.example.		TXT	"v=spf1 ip4:192.0.2.7 ip6:2001:db8::7 -all"
_dmarc.acme.example.		TXT	"v=DMARC1; p=reject"
2026a._domainkey.acme.example.	TXT	"v=DKIM1; k=rsa; p=MIGfMA0"
moved.example.			TXT	"v=spf1 ip4:198.51.100.1 -all"
moved.example.			MX	10 mx.elsewhere.example.
soft.example.			TXT	"v=spf1 ip4:192.0.2.7 ~all"
_dmarc.soft.example.		TXT	"v=DMARC1; p=none"
unsigned.example.		TXT	"v=spf1 ~all"
_dmarc.unsigned.example.	TXT	"v=DMARC1; p=reject; aspf=s"
other.example.			TXT	"v=spf1 ip4:203.0.113.0/24 -all"
freemail.example.		TXT	"v=spf1 ip4:203.0.113.0/24 -all"
_dmarc.freemail.example.	TXT	"v=DMARC1; p=reject"
*.dead.example.			CNAME	loop.dead.example.
out1.host.example.		TXT	"v=spf1 ip4:192.0.2.7 ip6:2001:db8::7 -all"
END
e2e_config <<END
tables : { accounts = "file:$T/accounts"; domains = "file:$T/domains"; networks = "cidr:$T/networks";
           customers = "file:$T/customers"; also = "file:$T/also"; };
preflight : {
  egress = [ "192.0.2.7", "2001:db8::7" ]; helo = "out1.host.example"; include = "_spf.host.example";
  signing = [ "opendkim:$T/opendkim/opendkim.conf" ];
  header = "X-Gatepost-Preflight"; exempt = "file:$T/exempt"; budget = "2s";
  dns = { servers = [ "127.0.0.1@$nsd_port" ]; };
  drift = { interval = "1d"; rate = 1000; file = "$T/drift"; mx = [ ".host.example" ]; };
};
END
# How the domains were yesterday: moved.example was ours.
printf 'acme.example\t1\t1\t0\t0\nmoved.example\t1\t1\t0\t0\n' >"$T/drift"
touch -d '2 days ago' "$T/drift"
chown "$daemon_user" "$T/drift"
chmod -R a+rX "$T/opendkim"
daemon_start
e2e_postfix </dev/null

deliver bob@acme.example bob@acme.example good 'From: bob@acme.example' 'X-Gatepost-Preflight: spf=pass'
check 'a domain in order passes' told '^250 '
check 'and the header says why' delivered good '^X-Gatepost-Preflight: spf=pass from 2 of 2 \(acme\.example\);' 1
deliver carol@other.example carol@other.example fail 'From: carol@other.example'
check 'SPF that fails from all our addresses is refused' told \
    '^550 5\.7\.23 the SPF record of other\.example forbids our servers to send its mail; add include:_spf\.host\.example to it'
check 'and the desk is told' log_has 'alert kind=preflight\.spf-fail .*customer=other .*subject=other\.example'
deliver bob@acme.example bob@soft.example soft 'From: bob@soft.example'
check 'softfail from one of them is tagged' delivered soft '^X-Gatepost-Tag: preflight\.spf-softfail$'
deliver bob@acme.example bob@unsigned.example unsigned 'From: bob@unsigned.example'
check 'policy reject without a key is refused' told \
    '^550 5\.7\.26 DMARC of unsigned\.example would have recipients refuse this message; publish the DKIM key 2026a\._domainkey\.unsigned\.example'
deliver bob@acme.example bob@acme.example free 'From: me@freemail.example'
check 'mail in the name of a free mailer is refused' told '^550 5\.7\.26 .*send it with a From address of a domain of your own'

# ---- drift: the daemon's first walk
check 'the MX that moved away is told' log_has 'alert kind=preflight\.drift .*customer=acme .*MX of moved\.example no longer names our servers'
check 'and the SPF that forgot us' log_has 'alert kind=preflight\.drift .*SPF of moved\.example no longer lets our servers through'
check 'once, and nobody else is told of' [ "$(grep -c 'alert kind=preflight.drift' "$daemon_log")" -eq 1 ]
check 'the walk is remembered' await 10 grep -q '^other\.example' "$T/drift"

# ---- gatepostctl
answer() {
	ctl "$@" >"$T/answer" 2>&1
	code=$?
	return 0
}
says() {
	grep -q -E -e "$1" "$T/answer" || {
		cat "$T/answer"
		return 1
	}
}
dns="--dns 127.0.0.1@$nsd_port"
answer preflight bob@acme.example
check 'gatepostctl preflight: good is 0' [ "$code" -eq 0 ]
check 'names the mechanism' says '^192\.0\.2\.7 .*pass .*ip4:192\.0\.2\.7 \(include _spf\.host\.example\)'
answer preflight other.example
check 'bad is 1' [ "$code" -eq 1 ]
check 'with the whole record that would mend it' says 'other\.example\. IN TXT "v=spf1 .*include:_spf\.host\.example.*-all"'
answer preflight unsigned.example --json
check 'a missing selector is named' says '"name": "2026a\._domainkey\.unsigned\.example"'
check 'the JSON has a result for each address' [ "$(grep -c '"result": "softfail"' "$T/answer")" -eq 2 ]
answer preflight '<>'
check 'the null return-path is the EHLO name' says '^SPF of out1\.host\.example, EHLO out1\.host\.example'
check 'and good' [ "$code" -eq 0 ]
answer preflight --all
check '--all: somebody is in trouble' [ "$code" -eq 1 ]
check 'it lists who drifted, and since when' says '^moved\.example +acme +MX since .*, SPF since '
check 'it counts' says '^28 domains: 5 with problems, 1 drifted, 22 without an answer'
# Without a daemon, and without a configuration.
bare() {
	"$GATEPOSTCTL" preflight "$@" --ip 192.0.2.7 --helo out1.host.example $dns >"$T/answer" 2>&1
	code=$?
	return 0
}
check 'the daemon ends with status 0' daemon_stop
bare acme.example
check 'without daemon and configuration it answers as well' says '"?SPF of acme\.example'
bare '"odd @ local part"@acme.example'
check 'an odd local part is taken as it is' [ "$code" -eq 0 ]
bare ''
check 'nothing is the null return-path' says '^SPF of out1\.host\.example'
bare acme.example --from 'me@freemail.example'
check 'another From domain is judged' says '^DMARC of freemail\.example: fail, policy reject'
"$GATEPOSTCTL" preflight acme.example >"$T/answer" 2>&1
check 'without an address it cannot tell: 2' [ $? -eq 2 ]
nsd_freeze
bare frozen.example
nsd_thaw
check 'no answer of the DNS is 5' [ "$code" -eq 5 ]
t_done
