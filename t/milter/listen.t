#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Gatepost authors
#
# Several listening sockets: libmilter serves the first, the others are passed on to it.
. "${srcdir:-.}/t/lib.sh"

# A port that the kernel says is free now; nothing else takes it in the second until it is bound.
port=$(perl -MSocket -e 'my $s; socket($s, AF_INET, SOCK_STREAM, 0); bind($s, pack_sockaddr_in(0, INADDR_LOOPBACK));
    print((unpack_sockaddr_in(getsockname($s)))[0])')
daemon_config <<END
listen = [ "unix:$SOCKET", "unix:$T/second.sock", "inet:$port@127.0.0.1" ];
END
daemon_start

talk() {
	play <<-'END'
	test a message is judged and stamped
	deliver bob@acme.example <bob@acme.example> <x@dest.example> bob@acme.example
	expect pass
	expect fields X-Customer-ID 1
	test a foreign sender is refused
	mail <ceo@bank.example>
	expect reply 550 5.7.1
	END
}
first=$SOCKET
talk
SOCKET=$T/second.sock
check "the second socket has the mode of the first" [ "$(stat -c %a "$T/second.sock")" = 660 ]
talk
SOCKET=inet:$port@127.0.0.1
talk
check "64 sessions through the second socket" "$TOOLS/hammer" -n 64 -m 20 -c 1280 "$T/second.sock"
SOCKET=$first
daemon_stop
check "it ends well" [ $? -eq 0 ]
check "its sockets are gone" [ ! -e "$first" ]
check "the second one too" [ ! -e "$T/second.sock" ]
t_done
