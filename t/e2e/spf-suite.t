#!/usr/bin/perl
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Gatepost authors
#
# The public RFC 7208 suite (t/data/rfc7208-tests.txt) as anybody can run it: each case is a gatepostctl of its own, without a
# daemon and without a configuration, and asks a name server on loopback that serves the zone of the case's scenario.
#
# What that server does on purpose: where the suite says TIMEOUT it is silent; names of an odd length it tells over TCP alone.
# Every other case runs as nobody, when root runs this. Exit status and JSON are looked at besides the result.
use strict;
use warnings;
use IO::Select;
use IO::Socket::INET;
use Socket ();
use JSON::PP;

$| = 1;
use constant { CASES => 203, AT_ONCE => 12, UDP_MOST => 512 };
my %type = (A => 1, CNAME => 5, PTR => 12, MX => 15, TXT => 16, AAAA => 28);
my $ctl = $ENV{GATEPOSTCTL} // ($ENV{top_builddir} // '.') . '/milter/gatepostctl';
my $table = ($ENV{srcdir} // '.') . '/t/data/rfc7208-tests.txt';

# ---- the suite ----

sub wire_name {
	return join('', map { chr(length) . $_ } split /\./, $_[0]) . "\0";
}

sub rdata {
	my ($kind, @data) = @_;
	return Socket::inet_aton($data[0]) if $kind eq 'A';
	return Socket::inet_pton(Socket::AF_INET6(), $data[0]) if $kind eq 'AAAA';
	return pack('n', $data[0]) . wire_name($data[1]) if $kind eq 'MX';
	return wire_name($data[0]) if $kind ne 'TXT';
	(my $text = $data[0]) =~ s/\\(\d{3})/chr $1/ge;
	return "\0" if $text eq '';
	return join '', map { chr(length) . $_ } $text =~ /.{1,255}/gs;
}

# A scenario: its zone (name -> what is said of it) and its cases.
sub read_suite {
	my @scenarios;
	open my $in, '<', $table or die "$table: $!\n";
	while (<$in>) {
		chomp;
		my ($what, @f) = split /\t/, $_, -1;
		if ($what eq 'S') {
			push @scenarios, { zone => {}, cases => [] };
		} elsif ($what eq 'Z') {
			my ($name, $kind, @data) = @f;
			my $node = $scenarios[-1]{zone}{lc $name} //= {};
			if ($kind eq 'TIMEOUT') { $node->{silent} = 1 }
			elsif ($kind ne 'NODATA') { push @{ $node->{$type{$kind}} }, rdata($kind, @data) }
		} elsif ($what eq 'T') {
			push @{ $scenarios[-1]{cases} }, {
				name => $f[0], ip => $f[2], helo => $f[3], sender => $f[4], want => [ split /,/, $f[5] ] };
		}
	}
	return @scenarios;
}

# ---- the name server ----

# The same port for both.
sub open_server {
	my ($scenario) = @_;
	for (1 .. 50) {
		my $tcp = IO::Socket::INET->new(Listen => 16, LocalAddr => '127.0.0.1', LocalPort => 0) or next;
		my $udp = IO::Socket::INET->new(Proto => 'udp', LocalAddr => '127.0.0.1', LocalPort => $tcp->sockport) or next;
		@$scenario{qw(tcp udp port)} = ($tcp, $udp, $tcp->sockport);
		return;
	}
	die "no free port\n";
}

# The answer section from the name on along its aliases; undef: silence.
sub records {
	my ($zone, $name, $type, $n) = @_;
	my ($answer, $owner, %seen) = ('', "\xc0\x0c");
	$$n = 0;
	while (1) {
		my $node = $zone->{$name};
		return (3, $answer) if !$node && $$n == 0 && !grep { /\.\Q$name\E\z/ } keys %$zone;
		return (0, $answer) if !$node || $seen{$name}++;
		my ($found, $is) = $node->{$type} ? ($node->{$type}, $type) : ($node->{5}, 5);
		return $node->{silent} ? () : (0, $answer) if !$found;
		$answer .= $owner . pack('nnNn', $is, 1, 300, length) . $_ for @$found;
		$$n += @$found;
		return (0, $answer) if $is == $type;
		$owner = $found->[0];
		$name = lc join '.', unpack '(C/a)*', substr $owner, 0, -1;
	}
}

sub answer {
	my ($zone, $query, $tcp) = @_;
	my ($at, @labels) = (12);
	return if length $query < 17;
	while (my $length = ord substr $query, $at, 1) {
		push @labels, substr $query, $at + 1, $length;
		$at += 1 + $length;
	}
	my $question = substr $query, 12, $at + 5 - 12;
	my $name = lc join '.', @labels;
	my ($rcode, $records) = records($zone, $name, unpack('n', substr $query, $at + 1, 2), \my $n) or return;
	my $whole = pack('a2nnnnn', $query, 0x8180 | $rcode, 1, $n, 0, 0) . $question . $records;
	return $whole if $tcp || (length($name) % 2 == 0 && length $whole <= UDP_MOST);
	return pack('a2nnnnn', $query, 0x8380, 1, 0, 0, 0) . $question;
}

sub serve {
	my (@scenarios) = @_;
	my (%of, $query);
	my $select = IO::Select->new;
	for my $s (@scenarios) {
		$select->add($s->{udp}, $s->{tcp});
		$of{$s->{$_}} = $s for qw(udp tcp);
	}
	local $SIG{PIPE} = 'IGNORE';
	while (1) {
		for my $socket ($select->can_read) {
			my $s = $of{$socket};
			if ($socket == $s->{tcp}) {
				my $connection = $socket->accept or next;
				$of{$connection} = $s;
				$select->add($connection);
			} elsif ($socket == $s->{udp}) {
				my $from = $socket->recv($query, 4096);
				my $answer = answer($s->{zone}, $query, 0);
				$socket->send($answer, 0, $from) if $from && defined $answer;
			} elsif ((sysread($socket, $query, 2) // 0) == 2
			    && sysread($socket, $query, unpack 'n', $query) && defined(my $answer = answer($s->{zone}, $query, 1))) {
				syswrite $socket, pack('n/a*', $answer);
			} else {
				$select->remove($socket);
				delete $of{$socket};
				close $socket;
			}
		}
	}
}

# ---- one case ----

sub start {
	my ($case, $file) = @_;
	my $pid = fork // die "fork: $!\n";
	return $pid if $pid;
	if ($> == 0 && $case->{number} % 2) {
		my ($uid, $gid) = (getpwnam 'nobody')[2, 3];
		($(, $)) = ($gid, "$gid $gid");
		($<, $>) = ($uid, $uid);
	}
	open STDOUT, '>&', $file or die "dup: $!\n";
	open STDERR, '>&', $file or die "dup: $!\n";
	exec $ctl, 'preflight', $case->{sender}, '--ip', $case->{ip}, '--helo', $case->{helo}, '--dns', "127.0.0.1\@$case->{port}",
	    '--json';
	die "$ctl: $!\n";
}

# What is wrong with the answer; '' when nothing is.
sub judge {
	my ($case, $status, $text) = @_;
	my $j = eval { decode_json($text) } or return 'this is no JSON';
	my $results = $j->{results};
	return 'there is not one result' if ref $results ne 'ARRAY' || @$results != 1;
	my $got = $results->[0]{spf}{result};
	my %code = (pass => [ 0, 'good' ], temperror => [ 5, 'unsure' ]);
	my $code = $code{$got} // [ 1, 'problem' ];
	return "$got, wanted @{ $case->{want} }" if !grep { $_ eq $got } @{ $case->{want} };
	return "$got, and exit status " . ($status >> 8) . ($status & 127 ? ' by a signal' : '') if $status != $code->[0] << 8;
	return "$got, and verdict $j->{verdict}" if $j->{verdict} ne $code->[1];
	return 'no mend' if ref $j->{mend} ne 'ARRAY';
	return '';
}

my @scenarios = read_suite();
my (@cases, %running);
for my $s (@scenarios) {
	open_server($s);
	$_->{port} = $s->{port}, push @cases, $_ for @{ $s->{cases} };
}
my $server = fork // die "fork: $!\n";
serve(@scenarios) if !$server;
END { kill 'TERM', $server if $server }
local $SIG{TERM} = local $SIG{INT} = sub { exit 130 };

print '1..', CASES + 1, "\n";
print @cases == CASES ? '' : 'not ', "ok 1 - the suite has @{[ CASES ]} cases\n";
my ($number, $started, $failed) = (1, 0, @cases != CASES);
while (@cases || %running) {
	while (@cases && keys %running < AT_ONCE) {
		my $case = shift @cases;
		$case->{number} = ++$started;
		open my $file, '+>', undef or die "temporary file: $!\n";
		$running{start($case, $file)} = [ $case, $file ];
	}
	my $pid = wait;
	last if $pid < 0;
	my ($case, $file) = @{ delete $running{$pid} // next };
	my $status = $?;
	seek $file, 0, 0;
	my $text = do { local $/; <$file> // '' };
	my $wrong = judge($case, $status, $text);
	$failed++ if $wrong ne '';
	$number++;
	print $wrong eq '' ? '' : 'not ', "ok $number - $case->{name}\n";
	print "# $wrong\n", $text =~ s/^/# /gmr if $wrong ne '';
}
exit($failed != 0);
