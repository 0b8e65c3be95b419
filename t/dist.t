#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Gatepost authors
#
# The tarball holds what a build needs: unpacked, configured, built, installed into a folder, and
# the installed daemon checks its own sample configuration.
#   t/dist.t BUILD-DIRECTORY
set -e
tmp=$(mktemp -d "${TMPDIR:-/tmp}/gatepost-dist.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
echo 1..5
fail() { echo "not ok $1 - $2"; tail -30 "$tmp/log" | sed 's/^/# /'; exit 1; }
chmod 755 "$tmp"
mkdir "$tmp/src" "$tmp/build" "$tmp/root"
(cd "$1" && make -s dist distdir=gatepost-dist-test >"$tmp/log" 2>&1 && mv gatepost-dist-test.tar.gz "$tmp/") || fail 1 'make dist'
echo "ok 1 - make dist"
tar -C "$tmp/src" --strip-components=1 -xzf "$tmp/gatepost-dist-test.tar.gz"
(cd "$tmp/build" && ../src/configure --quiet --prefix=/usr --sysconfdir=/etc --localstatedir=/var >"$tmp/log" 2>&1 &&
    make -s -j2 >>"$tmp/log" 2>&1) || fail 2 'the tarball builds'
echo "ok 2 - the tarball builds"
(cd "$tmp/build" && make -s install DESTDIR="$tmp/root" >"$tmp/log" 2>&1) || fail 3 'make install'
for f in usr/sbin/gatepost usr/sbin/gatepost-sendmail usr/sbin/gatepostctl usr/share/man/man1/gatepost-sendmail.1 \
    usr/share/gatepost/gatepost-prepend.php etc/gatepost/users etc/gatepost/sendmail.conf etc/gatepost/gatepost.conf \
    etc/gatepost/signatures.conf etc/gatepost/domains \
    usr/share/man/man8/gatepost.8 usr/share/man/man5/gatepost.conf.5 usr/share/man/man5/gatepost-tables.5 \
    usr/share/man/man5/gatepost-signatures.5 usr/share/man/man8/gatepostctl.8 usr/lib/systemd/system/gatepost.service \
    usr/lib/sysusers.d/gatepost.conf usr/lib/tmpfiles.d/gatepost.conf; do
	[ -f "$tmp/root/$f" ] || { echo "# $f is not installed" >"$tmp/log"; fail 3 'make install'; }
done
echo '# mine' >>"$tmp/root/etc/gatepost/domains"
(cd "$tmp/build" && make -s install DESTDIR="$tmp/root" >"$tmp/log" 2>&1) && grep -q '^# mine$' "$tmp/root/etc/gatepost/domains" ||
    fail 3 'an upgrade leaves the configuration alone'
echo "ok 3 - make install, and an upgrade leaves the configuration alone"
sed "s,/etc/gatepost/,$tmp/root/etc/gatepost/,g" "$tmp/root/etc/gatepost/gatepost.conf" >"$tmp/gatepost.conf"
# As README says: the key file is made on the spot, since no two installations may share one.
"$tmp/root/usr/sbin/gatepostctl" -c "$tmp/gatepost.conf" keys new >"$tmp/log" 2>&1 || fail 4 'gatepostctl keys new'
"$tmp/root/usr/sbin/gatepost" -t -c "$tmp/gatepost.conf" >"$tmp/log" 2>&1 || fail 4 'the installed configuration is right'
echo "ok 4 - the installed configuration is right"
(cd "$1" && make -s -j2 distcheck >"$tmp/log" 2>&1) || fail 5 'make distcheck'
echo "ok 5 - make distcheck"
