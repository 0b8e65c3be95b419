#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Gatepost authors
#
# Large and odd messages: a verdict always comes.
. "${srcdir:-.}/t/lib.sh"

daemon_config <<'END'
limits = ( { name = "rcpts"; per = "account"; count = "recipients"; ceilings = [ "100000/1h" ]; action = "defer"; } );
END
daemon_start
{
	cat <<-'END'
	login bob@acme.example
	test a thousand header fields
	mail <bob@acme.example>
	rcpt <x@dest.example>
	headers 1000 X-Many: one of many
	header From: bob@acme.example
	eom
	expect pass
	expect field X-Customer-ID: acme

	test five thousand, the most that is kept
	mail <bob@acme.example>
	rcpt <x@dest.example>
	header From: bob@acme.example
	headers 4990 X-Many: one of many
	eom
	expect pass

	test more than that is deferred, not cut short
	mail <bob@acme.example>
	rcpt <x@dest.example>
	header From: bob@acme.example
	headers 6000 X-Many: one of many
	eom
	expect reply 451 4.3.4
	expect at EOM

	test header fields of 60,000 bytes, the longest that Postfix passes on
	mail <bob@acme.example>
	rcpt <x@dest.example>
	header From: bob@acme.example
	long 60000 X-Long: x
	long 60000 Subject: x
	long 60000 Message-ID: x
	eom
	expect pass

	test 100 kB of header in pieces
	mail <bob@acme.example>
	rcpt <x@dest.example>
	header From: bob@acme.example
	headers 100 X-Piece: END
	eom
	expect pass

	test a From field of 60,000 bytes is not owned
	mail <bob@acme.example>
	rcpt <x@dest.example>
	long 60000 From: x
	eom
	expect reply 550 5.7.1

	test 1,000 recipients
	id 4R01
	mail <bob@acme.example>
	END
	i=0
	while [ $i -lt 1000 ]; do
		echo "rcpt <r$i@dest.example>"
		i=$((i + 1))
	done
	cat <<-'END'
	header From: bob@acme.example
	eom
	expect pass
	id -

	test every byte from 1 to 255 in a value, a name and a From field
	END
	i=1
	while [ $i -lt 256 ]; do
		hex=$(printf '\\x%02x' $i)
		cat <<-END
		mail <bob@acme.example>
		rcpt <x@dest.example>
		header Subject: a${hex}b
		header X${hex}Y: value
		header From: bob@acme.example
		header Message-ID: <a${hex}b@client.example>
		eom
		expect pass
		mail <bob@acme.example>
		rcpt <x@dest.example>
		header From: b${hex}b@acme.example
		eom
		expect at EOM
		END
		i=$((i + 1))
	done
} | sed "s/X-Piece: END/X-Piece: $(head -c 1000 /dev/zero | tr '\0' 'p')/" >"$T/script"
play <"$T/script"
check "all recipients are in the log" log_has 'qid=4R01 .*rcpts=1000 '
printable() {
	! grep -q '[^ -~]' "$daemon_log"
}
check "no line of the log holds anything but printable ASCII" printable
daemon_stop
t_done
