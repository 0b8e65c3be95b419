#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Gatepost authors
#
# What is asked of the MTA: only what the checks need. Everything else would cost a packet, or a round trip,
# for every message (performance: libmilter's cost is per packet).
. "${srcdir:-.}/t/lib.sh"

daemon_config <<'END'
limits = ( { name = "burst"; per = "account"; count = "recipients"; ceilings = [ "1000/1h" ]; action = "defer"; } );
END
daemon_start
play <<'END'
test no HELO, DATA, end of headers, unknown commands or body are sent
expect flags NOHELO NODATA NOEOH NOUNKNOWN NOBODY
test no reply is awaited for connect, recipients and headers
expect flags NR_CONN NR_RCPT NR_HDR
test MAIL, recipients and headers are sent, and MAIL is answered
expect noflags NOMAIL NORCPT NOHDRS NR_MAIL NOCONNECT
test the value is shown as Postfix writes it, with the first blank eaten
expect noflags HDR_LEADSPC
test the login and the queue id are asked for by ourselves
expect list MAIL auth_authen i
expect list EOM i
test nothing is repeated before every header
deliver bob@acme.example <bob@acme.example> <x@dest.example> bob@acme.example
expect pass
END
daemon_stop

daemon_config <<'END'
limits = ( { name = "volume"; per = "account"; count = "bytes"; ceilings = [ "1000000000/1h" ]; action = "defer"; } );
END
daemon_start
play <<'END'
test with a limit that counts bytes the body is sent, without replies
expect noflags NOBODY
expect flags NR_BODY
deliver bob@acme.example <bob@acme.example> <x@dest.example> bob@acme.example
expect pass
END
daemon_stop

cat >"$T/signatures.conf" <<'END'
gatepost-signatures 1
signature pixel
	title       The Pixel
	kind        bulk
	confidence  80
	all   @body contains pixel.gif?id=
END
{
	printf '<img src="http://acme.example/pixel.gif?id=1">\r\n'
	head -c 300000 /dev/zero | tr '\0' 'y' | fold -w 70 | sed 's/$/\r/'
} >"$T/long"
daemon_config <<END
mailers : { signatures = "$T/signatures.conf"; actions = { bulk = "reject"; }; };
limits = ( { name = "burst"; per = "account"; count = "recipients"; ceilings = [ "1000/1h" ]; action = "defer"; } );
END
daemon_start
play <<END
test the body is sent, and answered, when a signature asks for its beginning
expect flags SKIP
expect noflags NOBODY NR_BODY
test of a long one the rest is not wanted
connect client.example 192.0.2.1 40000
login bob@acme.example
mail <bob@acme.example>
rcpt <x@dest.example>
header From: bob@acme.example
body $T/long
expect skipped
test and the signature is found in its beginning
eom
expect reply 550 5.7.1 mail made by bulk mailing software
test a short one is read to its end
mail <bob@acme.example>
rcpt <x@dest.example>
header From: bob@acme.example
text see http://acme.example/pixel.gif?id=2
eom
expect reply 550 5.7.1 mail made by bulk mailing software
END
daemon_stop
t_done
