#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Gatepost authors
#
# Turns the public RFC 7208 test suite (YAML) into the table that t/unit/test_spf_suite.c and
# t/e2e/spf-suite.t read. The table is in the tree; this is for a newer suite only and needs python3-yaml.
#
#     rfc7208-tests.py rfc7208-tests.yml rfc7208-tests.LICENSE > rfc7208-tests.txt
#
# SPF records in the suite stand for TXT records too, unless the name has TXT records of its own.
import sys
import yaml


def text(data):
    return ''.join(chr(b) if 0x20 <= b <= 0x7e and b != 0x5c else '\\%03d' % b for b in data)


def line(*fields):
    print('\t'.join(str(f) for f in fields))


def zone(name, records):
    own = any(isinstance(r, dict) and 'TXT' in r for r in records)
    there = False
    for r in records:
        if r == 'TIMEOUT':
            line('Z', name, 'TIMEOUT')
            continue
        for kind, data in r.items():
            if data == 'NONE' or (kind == 'SPF' and own):
                line('Z', name, 'NODATA')
            elif kind in ('SPF', 'TXT'):
                strings = data if isinstance(data, list) else [data]
                line('Z', name, 'TXT', text(''.join(strings).encode()))
            elif kind == 'MX':
                line('Z', name, 'MX', data[0], data[1] or '.')
            else:
                line('Z', name, kind, data)


for notice in open(sys.argv[2]):
    print(('# ' + notice).rstrip())
print('#\n# Made of rfc7208-tests.yml (openspf.org 2014.04 with the additions of pyspf) by rfc7208-tests.py. Fields are\n'
      '# separated by tabs; \\DDD is a byte.\n'
      '#   S  description\n#   Z  name  type  data\n#   T  test  section  client  HELO  MAIL FROM  results allowed')
for scenario in yaml.safe_load_all(open(sys.argv[1], encoding='utf-8')):
    line('S', scenario['description'])
    for name, records in scenario['zonedata'].items():
        zone(name, records)
    for name, t in scenario['tests'].items():
        results = t['result'] if isinstance(t['result'], list) else [t['result']]
        line('T', name, t['spec'], t['host'], t['helo'], t['mailfrom'], ','.join(results))
