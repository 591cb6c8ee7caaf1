/*
 * pump.h - one kernel queue, pumped: receive, decide, answer, count, until told to stop.
 *
 * A pump that was stopped has answered every packet that was queued before the stop. One that
 * fails has answered no packet otherwise than decided: the kernel drops what it leaves.
 */
#ifndef FW_PUMP_H
#define FW_PUMP_H

#include "decide.h"
#include "links.h"
#include "nfq.h"

struct fw_pump;

/*
 * Binds the queue; see fw_nfq_open() for failures. Tables, dynamic and watch are the caller's,
 * and outlive the pump; the watch may be started later, but before fw_pump_run().
 */
int fw_pump_new(const struct fw_tables *tables, struct fw_dynamic *dynamic,
		const struct fw_watch *watch, const struct fw_queue_options *options,
		struct fw_pump **out);
/* Before fw_pump_run(): see fw_decider_share(). */
int fw_pump_share(struct fw_pump *p, uint32_t threads, uint32_t pools, bool by_rules);
/* Not while fw_pump_run() runs. */
void fw_pump_free(struct fw_pump *p);

/* Blocks until stopped: 0, or -errno. Once. */
int fw_pump_run(struct fw_pump *p);

/* From any thread, any number of times. */
void fw_pump_stop(struct fw_pump *p);

/* From any thread: add the pump's figures to the caller's. */
void fw_pump_add_stats(const struct fw_pump *p, uint64_t *totals);
/* From any thread: how its queue fares. */
struct fw_queue fw_pump_queue(const struct fw_pump *p);
void fw_pump_add_rules(const struct fw_pump *p, struct fw_counter *counters);

/* By one thread: takes the oldest line of the pump's log; false if there is none. */
bool fw_pump_take_log(struct fw_pump *p, union fw_log_slot *slot);

#endif
