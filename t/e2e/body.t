#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Gatepost authors
#
# A signature that asks for the beginning of the body, with an MTA that is told to spare the rest: what is delivered
# is whole.
. "$(dirname "$0")/lib.sh"

cat >"$T/signatures.conf" <<'END'
gatepost-signatures 1
signature pixel
	title       The Pixel
	kind        bulk
	confidence  80
	all   @body contains pixel.gif?id=
END
e2e_config <<END
mailers : { signatures = "$T/signatures.conf"; actions = { bulk = "tag"; }; };
limits = ( { name = "many"; per = "account"; count = "recipients"; ceilings = [ "1000/1h" ]; action = "defer"; } );
END
daemon_start
e2e_mta </dev/null

# send ID FIRST-LINE N: N lines of 70 bytes after the first line of the body.
send() {
	{
		printf '%s\n' 'AUTH bob@acme.example secret' 'MAIL FROM:<bob@acme.example>' 'RCPT TO:<x@dest.example>' DATA \
		    'From: bob@acme.example' "Message-ID: <$1@client.example>" '' "$2"
		head -c $(($3 * 70)) /dev/zero | tr '\0' 'y' | fold -w 70
		printf '\n%s\n' 'The end.' .
	} | dialogue
}

# whole N: the message that `delivered` found ($file) has so many full lines, and its end.
whole() {
	[ "$(grep -c -E '^y{70}$' "$file")" -eq "$1" ] && tail -n 3 "$file" | grep -q '^The end\.$'
}

send short 'see http://acme.example/pixel.gif?id=1' 1
check 'a short body is read' delivered short '^X-Bulk-Mailer: pixel$'
check 'and delivered whole' whole 1
send long 'see http://acme.example/pixel.gif?id=1' 20000
check 'of a body of 1.4 MB the beginning is read' delivered long '^X-Bulk-Mailer: pixel$'
check 'and all of it delivered' whole 20000
send late 'nothing here' 100
check 'what has no such beginning is no such mailer' delivered late '^X-Bulk-Mailer' 0
check 'the MTA had nothing to complain of' content
check 'the daemon ends with status 0' daemon_stop
t_done
