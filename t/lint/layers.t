#!/usr/bin/perl
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Gatepost authors
#
# The house's rules that a test can hold (doc/architecture.md): who includes what, how files begin,
# and that each header compiles alone.
use strict;
use warnings;

my $root = $ENV{GATEPOST_SRC} // '.';
chdir $root or die "$root: $!";
my @files = sort grep { !m{/fuzz/corpus/} } map { glob "$_/*.[ch]" } qw(lib milter t/unit t/milter t/bench t/fuzz t/scenarios t/redis);
my (@out, $n);

sub result { my ($ok, $what, @why) = @_; $n++; push @out, ($ok ? '' : 'not ') . "ok $n - $what", map { "# $_" } @why }

my %text;
for my $f (@files) { open my $h, '<', $f or die "$f: $!"; local $/; $text{$f} = <$h> }

# Base includes only system headers and base.
my %base = map { $_ => 1 } qw(err arena str clock net log date banned);
my @bad;
for my $f (grep { m{^lib/(\w+)\.[ch]$} && $base{$1} } @files) {
	while ($text{$f} =~ /^#include "([^"]+)"/mg) { my $i = $1; push @bad, "$f includes $i" unless $i =~ m{^lib/(\w+)\.h$} && $base{$1} }
}
result(!@bad, 'base includes only base and the system', @bad);

@bad = ();
for my $f (grep { m{^lib/} } @files) { push @bad, "$f includes $1" while $text{$f} =~ /^#include "((?:milter|t)\/[^"]+)"/mg }
result(!@bad, 'lib includes nothing of milter or t', @bad);

# A third party's header has one room.
my %room = (
	'libmilter/mfapi.h' => qr{^milter/session\.c$|^t/bench/floor\.c$},
	'libconfig.h' => qr{^lib/(conf\w*|signature_file)\.[ch]$},
	'sqlite3.h' => qr{^lib/store_lasting\.c$|^t/unit/test_store\w*\.c$},
	'pcre2.h' => qr{^lib/pattern\.c$},
	'idn2.h' => qr{^lib/mail\w*\.c$},
	'gmime/gmime.h' => qr{^lib/(mail\w*|report_mail)\.c$},
	'microhttpd.h' => qr{^milter/(api\w*|web_token)\.[ch]$},
	'curl/curl.h' => qr{^milter/ctl_http\.c$},
	'jansson.h' => qr{^milter/(api|ctl|explain|trace)\w*\.[ch]$|^lib/report_json\.c$|^t/unit/test_(api|trace)\.c$},
	'xxhash.h' => qr{^lib/(store_hash|table_\w+|alert_\w+|signature\w*|hash|trace_memory|cache)\.c$},
	'sodium.h' => qr{^lib/seal\.c$},
	'hiredis/hiredis.h' => qr{^lib/redis_conn\.c$},
	'spf2/spf.h' => qr{^lib/spf\.c$},
	'unbound.h' => qr{^lib/dns_resolver\.c$},
	'unbound-event.h' => qr{^lib/dns_resolver\.c$},
	'event2/event.h' => qr{^lib/dns_resolver\.c$},
	'opendmarc/dmarc.h' => qr{^lib/dmarc_record\.c$},
	'libpsl.h' => qr{^lib/suffix\.c$},
);
@bad = ();
for my $f (@files) {
	for my $h (keys %room) { push @bad, "$f includes $h" if $text{$f} =~ /^#include <\Q$h\E>/m && $f !~ $room{$h} }
}
result(!@bad, 'third-party headers stay in their rooms', @bad);

# Checks ask services, never one another, and name no driver.
@bad = ();
for my $f (grep { m{^milter/check_} } @files) {
	push @bad, "$f includes $1" while $text{$f} =~ /^#include "(milter\/check_[^"]+|lib\/(?:table|store|alert)_[^"]+)"/mg;
}
result(!@bad, 'checks include no check and no driver', @bad);

@bad = grep { $text{$_} !~ m{\A/\* SPDX-License-Identifier: BSD-2-Clause \*/\n/\* Copyright \(c\) \d+ the Gatepost authors \*/\n} } @files;
result(!@bad, 'each file begins with its licence', @bad);

@bad = ();
for my $f (grep { m{^(lib|milter)/(\w+)\.h$} } @files) { (my $g = uc $f) =~ s/[^A-Z0-9]/_/g; push @bad, "$f wants guard $g" unless $text{$f} =~ /^#ifndef $g\n#define $g\n/m || $f eq 'lib/banned.h' }
result(!@bad, 'include guards are the path in capitals', @bad);

@bad = grep { m{^(lib|milter)/\w+\.c$} && $text{$_} !~ /#include "lib\/banned\.h"/ } @files;
result(!@bad, 'each source file includes banned.h', @bad);

my $cflags = $ENV{GATEPOST_CFLAGS} // '';
@bad = ();
for my $f (grep { m{^(lib|milter)/\w+\.h$} } @files) {
	push @bad, $f if system("gcc -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Werror -I. $cflags -fsyntax-only -x c - <<'END' 2>/dev/null\n#include \"$f\"\n#include \"$f\"\nEND") != 0;
}
result(!@bad, 'each header compiles alone, and twice', @bad);

# What is left undone is an issue, not a comment.
@bad = ();
for my $f (grep { m{^(lib|milter)/} } @files) { push @bad, "$f: $1" while $text{$f} =~ /\b(TODO|FIXME|XXX|not implemented)\b/g }
result(!@bad, 'nothing is left open in the code', @bad);

print "1..$n\n", map { "$_\n" } @out;
exit(grep({ /^not/ } @out) ? 1 : 0);
