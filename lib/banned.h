/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef LIB_BANNED_H
#define LIB_BANNED_H
/*
 * banned - functions that cannot be used safely here. Include it last, in every .c file:
 * a use then fails to compile, and the undeclared name in the message says why.
 *
 * Unbounded writes:            use lib/str.h or snprintf.
 * Results in static buffers:   the program is threaded; use the _r forms.
 * A shell:                     what a client sent must never reach one.
 */

#undef strcpy
#define strcpy(to, from) banned_strcpy_use_str_copy
#undef strcat
#define strcat(to, from) banned_strcat_use_str_cat
#undef strncpy
#define strncpy(to, from, n) banned_strncpy_use_str_copy
#undef strncat
#define strncat(to, from, n) banned_strncat_use_str_catn
#undef sprintf
#define sprintf(...) banned_sprintf_use_snprintf
#undef vsprintf
#define vsprintf(...) banned_vsprintf_use_vsnprintf
#undef strtok
#define strtok(text, separators) banned_strtok_use_strtok_r
#undef gmtime
#define gmtime(t) banned_gmtime_use_gmtime_r
#undef localtime
#define localtime(t) banned_localtime_use_localtime_r
#undef ctime
#define ctime(t) banned_ctime_use_strftime
#undef ctime_r
#define ctime_r(t, to) banned_ctime_r_use_strftime
#undef asctime
#define asctime(t) banned_asctime_use_strftime
#undef asctime_r
#define asctime_r(t, to) banned_asctime_r_use_strftime
#undef system
#define system(command) banned_system_use_posix_spawn
#undef popen
#define popen(command, mode) banned_popen_use_posix_spawn

#endif
