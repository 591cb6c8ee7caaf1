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

/*
 * Offers a decider with other tables, see fw_decider_like(), and wakes the pump, which takes it before
 * its next batch and leaves its own in it. Then fw_pump_has_taken() says so, and the caller has what
 * was left; until then nothing of the pump may be read, and nothing else be offered.
 */
void fw_pump_offer(struct fw_pump *p, struct fw_decider *other);
bool fw_pump_has_taken(const struct fw_pump *p);
/* Takes what was offered, if it still is, in the place of a pump that does not run. */
void fw_pump_take(struct fw_pump *p);
/* That it decides by: its counters and its log are for any thread, one at a time. */
struct fw_decider *fw_pump_decider(struct fw_pump *p);

/* From any thread: how its queue fares. */
struct fw_queue fw_pump_queue(const struct fw_pump *p);

/* From any thread: adds the pump's totals to the caller's. */
void fw_pump_add_stats(const struct fw_pump *p, uint64_t *totals);

#endif
