#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Gatepost authors
#
# What the relay remembers of messages: those that it let through, over a restart and SIGKILL, within its bounds.
. "${srcdir:-.}/t/lib.sh"

ctl() {
	"$GATEPOSTCTL" -c "$T/gatepost.conf" "$@"
}
remembered() {
	ctl trace --queue-id "$1" | grep -q -E -e "$2"
}
forgotten() {
	ctl trace --queue-id "$1" >"$T/out"
	[ $? -eq 1 ] && grep -q -E "${2:-^not ours}" "$T/out"
}
written() {
	ctl metrics | grep -q "^gatepost_trace_memory_written_total $1\$"
}
on_disk() {
	find "$T" -name 'state.db-trace-*' -type f -size +0 | grep -q .
}

daemon_config <<'END'
limits = (
  { name = "hold"; per = "account"; count = "messages"; ceilings = [ "1/1h" ]; action = "hold"; }
);
END
daemon_start
play <<'END'
test a message is let through
login bob@acme.example
id 4A01
mail <bob@acme.example>
rcpt <x@dest.example>
rcpt <y@dest.example>
header From: bob@acme.example
header Message-ID: <one@client.example>
eom
expect pass

test one is held
id 4A02
mail <bob@acme.example>
rcpt <x@dest.example>
header From: bob@acme.example
header Message-ID: <held@client.example>
eom
expect hold

test one is refused
id 4A03
mail <bob@acme.example>
rcpt <x@dest.example>
header From: ceo@bank.example
header Message-ID: <refused@client.example>
eom
expect reply 550 5.7.1 From address ceo@bank.example

test one is given up
id 4A04
mail <bob@acme.example>
rcpt <x@dest.example>
header From: bob@acme.example
abort
END
check 'what was let through is remembered' remembered 4A01 '^customer +acme$'
check 'with its envelope' remembered 4A01 '^return-path +bob@acme\.example$'
check 'and how many got it' remembered 4A01 '^recipients +2$'
check 'what is held too' remembered 4A02 '^action +hold'
check 'what was refused is not' forgotten 4A03
check 'nor what was given up' forgotten 4A04
check 'the metrics count it' written 2
check 'by its Message-ID' eval 'ctl trace --message-id held@client.example | grep -q "queue id 4A02"'
check 'asked in JSON' eval 'ctl --json trace --queue-id 4A01 | grep -q "\"verdict\": \"traced\""'
daemon_kill
daemon_start
check 'SIGKILL takes nothing that was written' remembered 4A01 '^customer +acme$'
daemon_stop
check 'it can be asked without a daemon' remembered 4A01 '^account +bob@acme\.example$'
daemon_start
cp "$T/gatepost.conf" "$T/gatepost.conf.on"
echo 'trace : { memory : { size = 0; }; };' >>"$T/gatepost.conf"
check 'size 0 is taken at a reload' daemon_reload
check 'and forgets all' forgotten 4A01 'note +nothing is remembered here'
check 'also on the disk' await 5 eval '! on_disk'
mv "$T/gatepost.conf.on" "$T/gatepost.conf"
check 'it can be had again' daemon_reload
play <<'END'
test a later message
login alice@acme.example
id 4A05
mail <alice@acme.example>
rcpt <x@dest.example>
header From: alice@acme.example
eom
expect pass
END
check 'which is remembered without a Message-ID' remembered 4A05 '^account +alice@acme\.example$'
rm -f "$T"/state.db-trace-*
check 'where the files are gone, so is the memory' forgotten 4A05
daemon_stop
t_done
