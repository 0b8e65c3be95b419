# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Gatepost authors

# Unit tests (cmocka), scenarios, the MTA's side of the milter protocol, benchmarks, fuzz targets.
# `make check` runs the unit tests; t/run runs everything.

TEST_CPPFLAGS = $(AM_CPPFLAGS) $(DEPS_CFLAGS) $(MICROHTTPD_CFLAGS) $(CMOCKA_CFLAGS) $(JANSSON_CFLAGS)
TEST_LIBS = milter/libapi.a milter/libchain.a lib/libgatepost.a $(DEPS_LIBS) $(MICROHTTPD_LIBS) $(JANSSON_LIBS) $(CMOCKA_LIBS)
UNIT = \
	t/unit/test_alert t/unit/test_ancestry t/unit/test_api t/unit/test_arena t/unit/test_cache \
	t/unit/test_check_mailer t/unit/test_conf t/unit/test_date t/unit/test_dkim t/unit/test_dmarc \
	t/unit/test_dns t/unit/test_dns_cache t/unit/test_dns_record t/unit/test_dns_zone t/unit/test_facts \
	t/unit/test_limit t/unit/test_limit_key t/unit/test_listen t/unit/test_log t/unit/test_mail \
	t/unit/test_message_file t/unit/test_net t/unit/test_preflight t/unit/test_redis_cluster \
	t/unit/test_redis_conn t/unit/test_redis_slot t/unit/test_report t/unit/test_seal \
	t/unit/test_sendmail t/unit/test_signature t/unit/test_spf t/unit/test_spf_suite t/unit/test_stamp \
	t/unit/test_store_contract t/unit/test_store_memory t/unit/test_store_redis \
	t/unit/test_store_threads t/unit/test_str t/unit/test_table t/unit/test_table_contract \
	t/unit/test_ticket t/unit/test_trace t/unit/test_trace_memory t/unit/test_verdict
UNIT_THREADS = \
	t/unit/test_alert t/unit/test_ancestry t/unit/test_cache t/unit/test_check_mailer t/unit/test_conf t/unit/test_dns \
	t/unit/test_log t/unit/test_mail t/unit/test_redis_conn t/unit/test_signature t/unit/test_spf \
	t/unit/test_store_redis t/unit/test_store_threads t/unit/test_table_contract \
	t/unit/test_trace_memory
TOOLS = \
	t/bench/bench_chain t/bench/bench_dns t/bench/bench_preflight t/bench/bench_redis \
	t/bench/bench_signature t/bench/bench_spf t/bench/bench_stamp t/bench/bench_store \
	t/bench/bench_table t/bench/bench_trace_memory t/bench/floor t/bench/loadgen t/dns/ask t/dns/outage \
	t/e2e/gatepost-sendmail t/milter/activate t/milter/hammer t/milter/play t/redis/hammer_store \
	t/redis/script t/redis/soak t/redis/topology t/scenarios/play t/unit/conf_rows

if CMOCKA
check_PROGRAMS += $(UNIT)
TESTS += $(UNIT)
endif
AM_TESTS_ENVIRONMENT = GATEPOST_SRC=$(abs_srcdir); export GATEPOST_SRC;
EXTRA_PROGRAMS += $(TOOLS)

# Everything that t/run starts.
checks: $(UNIT) $(TOOLS)
print-unit:
	@echo $(UNIT)
print-threads:
	@echo $(UNIT_THREADS)
print-fuzz:
	@echo $(FUZZERS)
bench: all $(TOOLS)
	top_builddir=. srcdir=$(srcdir) $(srcdir)/t/bench/run $(BENCHFLAGS)
	top_builddir=. srcdir=$(srcdir) $(srcdir)/t/bench/run-postfix $(BENCHFLAGS)
	top_builddir=. srcdir=$(srcdir) $(srcdir)/t/bench/run-redis $(BENCHFLAGS)
	t/bench/bench_chain $(srcdir)/etc/signatures.conf
	t/bench/bench_chain $(srcdir)/etc/signatures.conf 1000000 1000000
	t/bench/bench_store
	t/bench/bench_table
	t/bench/bench_trace_memory
	t/bench/bench_dns
	t/bench/bench_spf
	t/bench/bench_preflight
	t/bench/bench_signature $(srcdir)/etc/signatures.conf
	t/bench/bench_stamp
.PHONY: checks print-unit print-threads print-fuzz bench fuzzers

t_unit_test_alert_CPPFLAGS = $(TEST_CPPFLAGS)
t_unit_test_alert_LDADD = $(TEST_LIBS)
t_unit_test_alert_SOURCES = t/unit/test_alert.c t/unit/clock_fake.c t/unit/clock_fake.h
t_unit_test_ancestry_CPPFLAGS = $(TEST_CPPFLAGS)
t_unit_test_ancestry_LDADD = $(TEST_LIBS)
t_unit_test_ancestry_SOURCES = t/unit/test_ancestry.c
t_unit_test_api_CPPFLAGS = $(TEST_CPPFLAGS)
t_unit_test_api_LDADD = $(TEST_LIBS)
t_unit_test_api_SOURCES = t/unit/test_api.c
t_unit_test_arena_CPPFLAGS = $(TEST_CPPFLAGS)
t_unit_test_arena_LDADD = $(TEST_LIBS)
t_unit_test_arena_SOURCES = t/unit/test_arena.c
t_unit_test_cache_CPPFLAGS = $(TEST_CPPFLAGS)
t_unit_test_cache_LDADD = $(TEST_LIBS)
t_unit_test_cache_SOURCES = t/unit/test_cache.c t/unit/clock_fake.c t/unit/clock_fake.h
t_unit_test_check_mailer_CPPFLAGS = $(TEST_CPPFLAGS)
t_unit_test_check_mailer_LDADD = $(TEST_LIBS)
t_unit_test_check_mailer_SOURCES = t/unit/test_check_mailer.c
t_unit_test_conf_CPPFLAGS = $(TEST_CPPFLAGS)
t_unit_test_conf_LDADD = $(TEST_LIBS)
t_unit_test_conf_SOURCES = t/unit/test_conf.c
t_unit_test_date_CPPFLAGS = $(TEST_CPPFLAGS)
t_unit_test_date_LDADD = $(TEST_LIBS)
t_unit_test_date_SOURCES = t/unit/test_date.c
t_unit_test_dkim_CPPFLAGS = $(TEST_CPPFLAGS)
t_unit_test_dkim_LDADD = $(TEST_LIBS)
t_unit_test_dkim_SOURCES = t/unit/test_dkim.c t/unit/dns_zone.c t/unit/dns_zone.h
t_unit_test_dmarc_CPPFLAGS = $(TEST_CPPFLAGS)
t_unit_test_dmarc_LDADD = $(TEST_LIBS)
t_unit_test_dmarc_SOURCES = t/unit/test_dmarc.c t/unit/dns_zone.c t/unit/dns_zone.h
t_unit_test_dns_CPPFLAGS = $(TEST_CPPFLAGS)
t_unit_test_dns_LDADD = $(TEST_LIBS)
t_unit_test_dns_SOURCES = t/unit/test_dns.c t/unit/dns_server.c t/unit/dns_server.h
t_unit_test_dns_cache_CPPFLAGS = $(TEST_CPPFLAGS)
t_unit_test_dns_cache_LDADD = $(TEST_LIBS)
t_unit_test_dns_cache_SOURCES = t/unit/test_dns_cache.c
t_unit_test_dns_record_CPPFLAGS = $(TEST_CPPFLAGS)
t_unit_test_dns_record_LDADD = $(TEST_LIBS)
t_unit_test_dns_record_SOURCES = t/unit/test_dns_record.c
t_unit_test_dns_zone_CPPFLAGS = $(TEST_CPPFLAGS)
t_unit_test_dns_zone_LDADD = $(TEST_LIBS)
t_unit_test_dns_zone_SOURCES = t/unit/test_dns_zone.c t/unit/clock_fake.c t/unit/clock_fake.h t/unit/dns_zone.c t/unit/dns_zone.h
t_unit_test_facts_CPPFLAGS = $(TEST_CPPFLAGS)
t_unit_test_facts_LDADD = $(TEST_LIBS)
t_unit_test_facts_SOURCES = t/unit/test_facts.c
t_unit_test_limit_CPPFLAGS = $(TEST_CPPFLAGS)
t_unit_test_limit_LDADD = $(TEST_LIBS)
t_unit_test_limit_SOURCES = t/unit/test_limit.c
t_unit_test_limit_key_CPPFLAGS = $(TEST_CPPFLAGS)
t_unit_test_limit_key_LDADD = $(TEST_LIBS)
t_unit_test_limit_key_SOURCES = t/unit/test_limit_key.c
t_unit_test_listen_CPPFLAGS = $(TEST_CPPFLAGS)
t_unit_test_listen_LDADD = $(TEST_LIBS)
t_unit_test_listen_SOURCES = t/unit/test_listen.c
t_unit_test_log_CPPFLAGS = $(TEST_CPPFLAGS)
t_unit_test_log_LDADD = $(TEST_LIBS)
t_unit_test_log_SOURCES = t/unit/test_log.c
t_unit_test_mail_CPPFLAGS = $(TEST_CPPFLAGS)
t_unit_test_mail_LDADD = $(TEST_LIBS)
t_unit_test_mail_SOURCES = t/unit/test_mail.c
t_unit_test_message_file_CPPFLAGS = $(TEST_CPPFLAGS)
t_unit_test_message_file_LDADD = $(TEST_LIBS)
t_unit_test_message_file_SOURCES = t/unit/test_message_file.c
t_unit_test_net_CPPFLAGS = $(TEST_CPPFLAGS)
t_unit_test_net_LDADD = $(TEST_LIBS)
t_unit_test_net_SOURCES = t/unit/test_net.c
t_unit_test_preflight_CPPFLAGS = $(TEST_CPPFLAGS)
t_unit_test_preflight_LDADD = $(TEST_LIBS)
t_unit_test_preflight_SOURCES = t/unit/test_preflight.c t/unit/clock_fake.c t/unit/clock_fake.h t/unit/dns_zone.c t/unit/dns_zone.h
t_unit_test_report_CPPFLAGS = $(TEST_CPPFLAGS)
t_unit_test_report_LDADD = $(TEST_LIBS)
t_unit_test_report_SOURCES = t/unit/test_report.c
t_unit_test_redis_cluster_CPPFLAGS = $(TEST_CPPFLAGS)
t_unit_test_redis_cluster_LDADD = $(TEST_LIBS)
t_unit_test_redis_cluster_SOURCES = t/unit/test_redis_cluster.c
t_unit_test_redis_conn_CPPFLAGS = $(TEST_CPPFLAGS)
t_unit_test_redis_conn_LDADD = $(TEST_LIBS)
t_unit_test_redis_conn_SOURCES = t/unit/test_redis_conn.c
t_unit_test_redis_slot_CPPFLAGS = $(TEST_CPPFLAGS)
t_unit_test_redis_slot_LDADD = $(TEST_LIBS)
t_unit_test_redis_slot_SOURCES = t/unit/test_redis_slot.c
t_unit_test_seal_CPPFLAGS = $(TEST_CPPFLAGS)
t_unit_test_seal_LDADD = $(TEST_LIBS)
t_unit_test_seal_SOURCES = t/unit/test_seal.c
t_unit_test_sendmail_CPPFLAGS = $(TEST_CPPFLAGS)
t_unit_test_sendmail_LDADD = $(TEST_LIBS)
t_unit_test_sendmail_SOURCES = \
	t/unit/test_sendmail.c milter/sendmail_conf.c milter/sendmail_message.c milter/sendmail_options.c
t_unit_test_signature_CPPFLAGS = $(TEST_CPPFLAGS)
t_unit_test_signature_LDADD = $(TEST_LIBS)
t_unit_test_signature_SOURCES = t/unit/test_signature.c
t_unit_test_spf_CPPFLAGS = $(TEST_CPPFLAGS)
t_unit_test_spf_LDADD = $(TEST_LIBS)
t_unit_test_spf_SOURCES = t/unit/test_spf.c t/unit/dns_zone.c t/unit/dns_zone.h
t_unit_test_spf_suite_CPPFLAGS = $(TEST_CPPFLAGS)
t_unit_test_spf_suite_LDADD = $(TEST_LIBS)
t_unit_test_spf_suite_SOURCES = t/unit/test_spf_suite.c t/unit/dns_zone.c t/unit/dns_zone.h
t_unit_test_stamp_CPPFLAGS = $(TEST_CPPFLAGS)
t_unit_test_stamp_LDADD = $(TEST_LIBS)
t_unit_test_stamp_SOURCES = t/unit/test_stamp.c
t_unit_test_store_contract_CPPFLAGS = $(TEST_CPPFLAGS)
t_unit_test_store_contract_LDADD = $(TEST_LIBS)
t_unit_test_store_contract_SOURCES = t/unit/test_store_contract.c t/unit/clock_fake.c t/unit/clock_fake.h t/unit/store_fixture.c t/unit/store_fixture.h
t_unit_test_store_memory_CPPFLAGS = $(TEST_CPPFLAGS)
t_unit_test_store_memory_LDADD = $(TEST_LIBS)
t_unit_test_store_memory_SOURCES = t/unit/test_store_memory.c t/unit/clock_fake.c t/unit/clock_fake.h t/unit/store_fixture.c t/unit/store_fixture.h
t_unit_test_store_redis_CPPFLAGS = $(TEST_CPPFLAGS)
t_unit_test_store_redis_LDADD = $(TEST_LIBS)
t_unit_test_store_redis_SOURCES = t/unit/test_store_redis.c t/unit/store_fixture.c t/unit/store_fixture.h
t_unit_test_store_threads_CPPFLAGS = $(TEST_CPPFLAGS)
t_unit_test_store_threads_LDADD = $(TEST_LIBS)
t_unit_test_store_threads_SOURCES = t/unit/test_store_threads.c t/unit/clock_fake.c t/unit/clock_fake.h t/unit/store_fixture.c t/unit/store_fixture.h
t_unit_test_str_CPPFLAGS = $(TEST_CPPFLAGS)
t_unit_test_str_LDADD = $(TEST_LIBS)
t_unit_test_str_SOURCES = t/unit/test_str.c
t_unit_test_table_CPPFLAGS = $(TEST_CPPFLAGS)
t_unit_test_table_LDADD = $(TEST_LIBS)
t_unit_test_table_SOURCES = t/unit/test_table.c
t_unit_test_table_contract_CPPFLAGS = $(TEST_CPPFLAGS)
t_unit_test_table_contract_LDADD = $(TEST_LIBS)
t_unit_test_table_contract_SOURCES = t/unit/test_table_contract.c
t_unit_test_ticket_CPPFLAGS = $(TEST_CPPFLAGS)
t_unit_test_ticket_LDADD = $(TEST_LIBS)
t_unit_test_ticket_SOURCES = t/unit/test_ticket.c
t_unit_test_trace_CPPFLAGS = $(TEST_CPPFLAGS)
t_unit_test_trace_LDADD = $(TEST_LIBS)
t_unit_test_trace_SOURCES = t/unit/test_trace.c
t_unit_test_trace_memory_CPPFLAGS = $(TEST_CPPFLAGS)
t_unit_test_trace_memory_LDADD = $(TEST_LIBS)
t_unit_test_trace_memory_SOURCES = t/unit/test_trace_memory.c
t_unit_test_verdict_CPPFLAGS = $(TEST_CPPFLAGS)
t_unit_test_verdict_LDADD = $(TEST_LIBS)
t_unit_test_verdict_SOURCES = t/unit/test_verdict.c
t_unit_conf_rows_CPPFLAGS = $(TEST_CPPFLAGS)
t_unit_conf_rows_LDADD = $(TEST_LIBS)
t_unit_conf_rows_SOURCES = t/unit/conf_rows.c
t_scenarios_play_CPPFLAGS = $(TEST_CPPFLAGS)
t_scenarios_play_LDADD = $(TEST_LIBS)
t_scenarios_play_SOURCES = t/scenarios/play.c t/unit/clock_fake.c t/unit/clock_fake.h t/unit/dns_zone.c t/unit/dns_zone.h
t_e2e_gatepost_sendmail_CPPFLAGS = $(milter_gatepost_sendmail_CPPFLAGS)
t_e2e_gatepost_sendmail_LDADD = $(milter_gatepost_sendmail_LDADD)
t_e2e_gatepost_sendmail_SOURCES = $(SENDMAIL_SOURCES) t/e2e/sendmail_place.c
t_milter_play_CPPFLAGS = $(TEST_CPPFLAGS)
t_milter_play_LDADD = 
t_milter_play_SOURCES = t/milter/play.c t/milter/mta.c t/milter/mta.h
t_milter_hammer_CPPFLAGS = $(TEST_CPPFLAGS)
t_milter_hammer_LDADD = 
t_milter_hammer_SOURCES = t/milter/hammer.c t/milter/mta.c t/milter/mta.h
t_milter_activate_CPPFLAGS = $(TEST_CPPFLAGS)
t_milter_activate_LDADD = 
t_milter_activate_SOURCES = t/milter/activate.c
t_dns_ask_CPPFLAGS = $(TEST_CPPFLAGS)
t_dns_ask_LDADD = $(TEST_LIBS)
t_dns_ask_SOURCES = t/dns/ask.c
t_dns_outage_CPPFLAGS = $(TEST_CPPFLAGS)
t_dns_outage_LDADD = $(TEST_LIBS)
t_dns_outage_SOURCES = t/dns/outage.c
# They bring a clock of their own: the library comes after them.
t_redis_hammer_store_CPPFLAGS = $(TEST_CPPFLAGS)
t_redis_hammer_store_LDADD = lib/libgatepost.a $(DEPS_LIBS)
t_redis_hammer_store_SOURCES = t/redis/hammer_store.c t/redis/hammer_open.c t/redis/hammer_open.h t/redis/clock_ahead.c t/redis/clock_ahead.h
t_redis_script_CPPFLAGS = $(TEST_CPPFLAGS)
t_redis_script_LDADD = lib/libgatepost.a $(DEPS_LIBS)
t_redis_script_SOURCES = t/redis/script.c
t_redis_soak_CPPFLAGS = $(TEST_CPPFLAGS)
t_redis_soak_LDADD = lib/libgatepost.a $(DEPS_LIBS)
t_redis_soak_SOURCES = t/redis/soak.c t/redis/hammer_open.c t/redis/hammer_open.h
t_redis_topology_CPPFLAGS = $(TEST_CPPFLAGS)
t_redis_topology_LDADD = lib/libgatepost.a $(DEPS_LIBS)
t_redis_topology_SOURCES = t/redis/topology.c
t_bench_bench_chain_CPPFLAGS = $(TEST_CPPFLAGS)
t_bench_bench_chain_LDADD = $(TEST_LIBS)
t_bench_bench_chain_SOURCES = t/bench/bench_chain.c
t_bench_bench_preflight_CPPFLAGS = $(TEST_CPPFLAGS)
t_bench_bench_preflight_LDADD = $(TEST_LIBS)
t_bench_bench_preflight_SOURCES = t/bench/bench_preflight.c
t_bench_bench_dns_CPPFLAGS = $(TEST_CPPFLAGS)
t_bench_bench_dns_LDADD = $(TEST_LIBS)
t_bench_bench_dns_SOURCES = t/bench/bench_dns.c t/unit/dns_server.c t/unit/dns_server.h
t_bench_bench_redis_CPPFLAGS = $(TEST_CPPFLAGS)
t_bench_bench_redis_LDADD = lib/libgatepost.a $(DEPS_LIBS)
t_bench_bench_redis_SOURCES = t/bench/bench_redis.c t/redis/clock_ahead.c t/redis/clock_ahead.h
t_bench_bench_signature_CPPFLAGS = $(TEST_CPPFLAGS)
t_bench_bench_signature_LDADD = $(TEST_LIBS)
t_bench_bench_signature_SOURCES = t/bench/bench_signature.c
t_bench_bench_spf_CPPFLAGS = $(TEST_CPPFLAGS)
t_bench_bench_spf_LDADD = $(TEST_LIBS)
t_bench_bench_spf_SOURCES = t/bench/bench_spf.c
t_bench_bench_stamp_CPPFLAGS = $(TEST_CPPFLAGS)
t_bench_bench_stamp_LDADD = $(TEST_LIBS)
t_bench_bench_stamp_SOURCES = t/bench/bench_stamp.c
t_bench_bench_store_CPPFLAGS = $(TEST_CPPFLAGS)
t_bench_bench_store_LDADD = $(TEST_LIBS)
t_bench_bench_store_SOURCES = t/bench/bench_store.c
t_bench_bench_table_CPPFLAGS = $(TEST_CPPFLAGS)
t_bench_bench_table_LDADD = $(TEST_LIBS)
t_bench_bench_table_SOURCES = t/bench/bench_table.c
t_bench_bench_trace_memory_CPPFLAGS = $(TEST_CPPFLAGS)
t_bench_bench_trace_memory_LDADD = $(TEST_LIBS)
t_bench_bench_trace_memory_SOURCES = t/bench/bench_trace_memory.c
t_bench_floor_CPPFLAGS = $(TEST_CPPFLAGS)
t_bench_floor_LDADD = $(MILTER_LIBS)
t_bench_floor_SOURCES = t/bench/floor.c
t_bench_loadgen_CPPFLAGS = $(TEST_CPPFLAGS)
t_bench_loadgen_LDADD = -lm
t_bench_loadgen_SOURCES = t/bench/loadgen.c t/milter/mta.c t/milter/mta.h

FUZZERS = \
	t/fuzz/fuzz_conf t/fuzz/fuzz_dmarc t/fuzz/fuzz_dns t/fuzz/fuzz_explain t/fuzz/fuzz_from \
	t/fuzz/fuzz_header t/fuzz/fuzz_redis t/fuzz/fuzz_report t/fuzz/fuzz_signature t/fuzz/fuzz_spf \
	t/fuzz/fuzz_stamp t/fuzz/fuzz_table t/fuzz/fuzz_ticket
EXTRA_PROGRAMS += $(FUZZERS)
fuzzers: $(FUZZERS)
t_fuzz_fuzz_conf_CPPFLAGS = $(TEST_CPPFLAGS)
t_fuzz_fuzz_conf_LDADD = $(TEST_LIBS)
t_fuzz_fuzz_conf_SOURCES = t/fuzz/fuzz_conf.c
t_fuzz_fuzz_conf_CFLAGS = $(AM_CFLAGS) -fsanitize=fuzzer
t_fuzz_fuzz_conf_LDFLAGS = -fsanitize=fuzzer
t_fuzz_fuzz_dmarc_CPPFLAGS = $(TEST_CPPFLAGS)
t_fuzz_fuzz_dmarc_LDADD = $(TEST_LIBS)
t_fuzz_fuzz_dmarc_SOURCES = t/fuzz/fuzz_dmarc.c
t_fuzz_fuzz_dmarc_CFLAGS = $(AM_CFLAGS) -fsanitize=fuzzer
t_fuzz_fuzz_dmarc_LDFLAGS = -fsanitize=fuzzer
t_fuzz_fuzz_dns_CPPFLAGS = $(TEST_CPPFLAGS)
t_fuzz_fuzz_dns_LDADD = $(TEST_LIBS)
t_fuzz_fuzz_dns_SOURCES = t/fuzz/fuzz_dns.c
t_fuzz_fuzz_dns_CFLAGS = $(AM_CFLAGS) -fsanitize=fuzzer
t_fuzz_fuzz_dns_LDFLAGS = -fsanitize=fuzzer
t_fuzz_fuzz_explain_CPPFLAGS = $(TEST_CPPFLAGS)
t_fuzz_fuzz_explain_LDADD = $(TEST_LIBS)
t_fuzz_fuzz_explain_SOURCES = t/fuzz/fuzz_explain.c
t_fuzz_fuzz_explain_CFLAGS = $(AM_CFLAGS) -fsanitize=fuzzer
t_fuzz_fuzz_explain_LDFLAGS = -fsanitize=fuzzer
t_fuzz_fuzz_from_CPPFLAGS = $(TEST_CPPFLAGS)
t_fuzz_fuzz_from_LDADD = $(TEST_LIBS)
t_fuzz_fuzz_from_SOURCES = t/fuzz/fuzz_from.c
t_fuzz_fuzz_from_CFLAGS = $(AM_CFLAGS) -fsanitize=fuzzer
t_fuzz_fuzz_from_LDFLAGS = -fsanitize=fuzzer
t_fuzz_fuzz_header_CPPFLAGS = $(TEST_CPPFLAGS)
t_fuzz_fuzz_header_LDADD = $(TEST_LIBS)
t_fuzz_fuzz_header_SOURCES = t/fuzz/fuzz_header.c
t_fuzz_fuzz_header_CFLAGS = $(AM_CFLAGS) -fsanitize=fuzzer
t_fuzz_fuzz_header_LDFLAGS = -fsanitize=fuzzer
t_fuzz_fuzz_report_CPPFLAGS = $(TEST_CPPFLAGS)
t_fuzz_fuzz_report_LDADD = $(TEST_LIBS)
t_fuzz_fuzz_report_SOURCES = t/fuzz/fuzz_report.c
t_fuzz_fuzz_report_CFLAGS = $(AM_CFLAGS) -fsanitize=fuzzer
t_fuzz_fuzz_report_LDFLAGS = -fsanitize=fuzzer
t_fuzz_fuzz_redis_CPPFLAGS = $(TEST_CPPFLAGS)
t_fuzz_fuzz_redis_LDADD = $(TEST_LIBS)
t_fuzz_fuzz_redis_SOURCES = t/fuzz/fuzz_redis.c
t_fuzz_fuzz_redis_CFLAGS = $(AM_CFLAGS) -fsanitize=fuzzer
t_fuzz_fuzz_redis_LDFLAGS = -fsanitize=fuzzer
t_fuzz_fuzz_signature_CPPFLAGS = $(TEST_CPPFLAGS)
t_fuzz_fuzz_signature_LDADD = $(TEST_LIBS)
t_fuzz_fuzz_signature_SOURCES = t/fuzz/fuzz_signature.c
t_fuzz_fuzz_signature_CFLAGS = $(AM_CFLAGS) -fsanitize=fuzzer
t_fuzz_fuzz_signature_LDFLAGS = -fsanitize=fuzzer
t_fuzz_fuzz_spf_CPPFLAGS = $(TEST_CPPFLAGS)
t_fuzz_fuzz_spf_LDADD = $(TEST_LIBS)
t_fuzz_fuzz_spf_SOURCES = t/fuzz/fuzz_spf.c t/unit/dns_zone.c t/unit/dns_zone.h
t_fuzz_fuzz_spf_CFLAGS = $(AM_CFLAGS) -fsanitize=fuzzer
t_fuzz_fuzz_spf_LDFLAGS = -fsanitize=fuzzer
t_fuzz_fuzz_stamp_CPPFLAGS = $(TEST_CPPFLAGS)
t_fuzz_fuzz_stamp_LDADD = $(TEST_LIBS)
t_fuzz_fuzz_stamp_SOURCES = t/fuzz/fuzz_stamp.c
t_fuzz_fuzz_stamp_CFLAGS = $(AM_CFLAGS) -fsanitize=fuzzer
t_fuzz_fuzz_stamp_LDFLAGS = -fsanitize=fuzzer
t_fuzz_fuzz_table_CPPFLAGS = $(TEST_CPPFLAGS)
t_fuzz_fuzz_table_LDADD = $(TEST_LIBS)
t_fuzz_fuzz_table_SOURCES = t/fuzz/fuzz_table.c
t_fuzz_fuzz_table_CFLAGS = $(AM_CFLAGS) -fsanitize=fuzzer
t_fuzz_fuzz_table_LDFLAGS = -fsanitize=fuzzer
t_fuzz_fuzz_ticket_CPPFLAGS = $(TEST_CPPFLAGS)
t_fuzz_fuzz_ticket_LDADD = $(TEST_LIBS)
t_fuzz_fuzz_ticket_SOURCES = t/fuzz/fuzz_ticket.c milter/sendmail_message.c
t_fuzz_fuzz_ticket_CFLAGS = $(AM_CFLAGS) -fsanitize=fuzzer
t_fuzz_fuzz_ticket_LDFLAGS = -fsanitize=fuzzer

CLEANFILES += $(TOOLS) $(FUZZERS)
EXTRA_DIST += .clang-tidy

# The tests go into the tarball from the source tree alone: a build tree's t/ holds objects and programs.
dist-hook:
	cd $(srcdir) && tar -cf - --exclude='*.o' --exclude=.deps --exclude=.dirstamp --exclude='*.log' --exclude='*.trs' t | \
	    (cd $(abs_builddir)/$(distdir) && tar -xf -)
	cd $(distdir) && rm -f $(UNIT) $(TOOLS) $(FUZZERS)
