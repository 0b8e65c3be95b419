#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Gatepost authors
#
# The steps of reload.t through a real Sendmail.
mta=sendmail
load_seconds=6
. "$(dirname "$0")/reload.t"
