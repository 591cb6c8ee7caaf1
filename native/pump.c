#include "pump.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>

#include "coalesce.h"
#include "netlink.h"
#include "proc.h"

struct fw_pump {
	/* Fixed when the pump is made, or touched by its own thread alone. */
	struct fw_nfq nfq;
	struct fw_decider decider;
	struct fw_links links;
	struct fw_coalesce coalesce;
	struct fw_queued *queued;
	struct fw_seen *seen;
	struct fw_decision *decisions;
	struct fw_answer *answers;
	struct fw_proc_queue last; /* what the kernel said at the end, once `over` */
	/* Written by others, seldom. */
	_Alignas(64) _Atomic bool stop;
	_Atomic bool over;
	_Atomic(struct fw_decider *) offered;
};

int fw_pump_new(const struct fw_tables *tables, struct fw_dynamic *dynamic,
		const struct fw_watch *watch, const struct fw_queue_options *options,
		struct fw_pump **out)
{
	const uint32_t batch = options->batch;
	struct fw_pump *p = aligned_alloc(_Alignof(struct fw_pump), sizeof *p);

	if (!p)
		return -ENOMEM;
	*p = (struct fw_pump){ .nfq.fd = -1, .links.fd = -1, .coalesce.timers = { -1, -1 } };
	int error = -ENOMEM;
	p->queued = calloc(batch, sizeof *p->queued);
	p->seen = calloc(batch, sizeof *p->seen);
	p->decisions = calloc(batch, sizeof *p->decisions);
	p->answers = calloc(batch, sizeof *p->answers);
	if (!p->queued || !p->seen || !p->decisions || !p->answers)
		goto fail;
	error = fw_coalesce_init(&p->coalesce, options->coalesce);
	if (error)
		goto fail;
	error = fw_decider_init(&p->decider, tables, dynamic, batch);
	if (error)
		goto fail;
	error = fw_links_init(&p->links, tables, watch);
	if (error)
		goto fail;
	/* Last: from here on packets come, and wait to be answered. */
	error = fw_nfq_open(&p->nfq, options);
	if (error)
		goto fail;
	*out = p;
	return 0;
fail:
	fw_pump_free(p);
	return error;
}

int fw_pump_share(struct fw_pump *p, uint32_t threads, uint32_t pools, bool by_rules)
{
	return fw_decider_share(&p->decider, threads, pools, by_rules);
}

void fw_pump_free(struct fw_pump *p)
{
	fw_nfq_close(&p->nfq);
	fw_coalesce_clear(&p->coalesce);
	fw_links_clear(&p->links);
	fw_decider_clear(&p->decider);
	free(p->queued);
	free(p->seen);
	free(p->decisions);
	free(p->answers);
	free(p);
}

static struct fw_seen see(struct fw_links *links, const struct fw_queued *q, uint64_t now)
{
	return (struct fw_seen){
		.bytes = q->bytes,
		.captured = q->captured,
		.length = q->length,
		.more = q->captured < FW_COPY_AGAIN,
		.mark = q->mark,
		.hook = q->hook,
		.in = fw_link_find(links, q->in)->in,
		.out = fw_link_find(links, q->out)->out,
		.uid = q->uid,
		.gid = q->gid,
		.mac = q->mac,
		.time = now,
		.in_index = q->in,
		.out_index = q->out,
	};
}

/* A reject goes on through the kernel's rules, which see to it by its mark. */
static struct fw_answer answer(const struct fw_tables *t, const struct fw_queued *q,
			       const struct fw_decision *d)
{
	/* A dry run leaves packets as they came, but for the state that the hooks put in the mark. */
	const bool dry = t->header->dry_run;

	if (d->verdict == FW_VERDICT_NEXT)
		return (struct fw_answer){ .id = q->id, .again = true };
	struct fw_answer a = { .id = q->id, .accept = dry || d->verdict != FW_VERDICT_DROP };
	const uint32_t mark = dry ? q->mark & ~t->header->mark_mask : fw_mark_after(t, q->mark, d);

	if (a.accept && mark != q->mark) {
		a.marked = true;
		a.mark = mark;
	}
	return a;
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Decides and answers the n packets in `queued`, received at `received_ns` (monotonic). */
static int pass(struct fw_pump *p, uint32_t n, uint64_t received_ns)
{
	struct fw_counts *counts = p->decider.counts;
	const uint64_t now = fw_time_now();

	fw_dynamic_refresh_self(p->decider.dynamic, fw_links_refresh(&p->links));
	for (uint32_t i = 0; i < n; i++)
		p->seen[i] = see(&p->links, &p->queued[i], now);
	const uint32_t decided = fw_decide(&p->decider, p->seen, n, p->decisions);
	for (uint32_t i = 0; i < n; i++)
		p->answers[i] = answer(p->decider.tables, &p->queued[i], &p->decisions[i]);
	const int error = fw_nfq_answer(&p->nfq, p->answers, n);
	if (error)
		return error;
	fw_count(&counts->stats[FW_STAT_SENDS], 1);
	if (decided > 0)
		fw_counts_batch(counts, decided, clock_ns(CLOCK_MONOTONIC) - received_ns);
	return 0;
}

void fw_pump_offer(struct fw_pump *p, struct fw_decider *other)
{
	/* Release: pairs with the acquire in fw_pump_take(). */
	atomic_store_explicit(&p->offered, other, memory_order_release);
	fw_netlink_wake(p->nfq.fd);
}

bool fw_pump_has_taken(const struct fw_pump *p)
{
	/* Acquire: pairs with the release in fw_pump_take(). */
	return !atomic_load_explicit(&p->offered, memory_order_acquire);
}

void fw_pump_take(struct fw_pump *p)
{
	/* Acquire: pairs with the release in fw_pump_offer(). */
	struct fw_decider *other = atomic_load_explicit(&p->offered, memory_order_acquire);

	if (!other)
		return;
	const struct fw_decider old = p->decider;
	p->decider = *other;
	*other = old;
	fw_decider_succeed(&p->decider, other);
	fw_links_use(&p->links, p->decider.tables);
	/* Release: pairs with the acquire in fw_pump_has_taken(). */
	atomic_store_explicit(&p->offered, NULL, memory_order_release);
}

struct fw_decider *fw_pump_decider(struct fw_pump *p)
{
	return &p->decider;
}

/* Takes one batch from the kernel. The number of packets, or as fw_nfq_receive(). */
static int turn(struct fw_pump *p, bool wait)
{
	const uint64_t errors_before = p->nfq.verdict_errors;

	const int n = wait ? fw_coalesce_receive(&p->coalesce, &p->nfq, p->queued)
			   : fw_nfq_receive(&p->nfq, false, p->queued);

	/* What was received is decided by the tables that are in force now. */
	fw_pump_take(p);
	struct fw_counts *counts = p->decider.counts;
	fw_count(&counts->stats[FW_STAT_VERDICT_ERRORS], p->nfq.verdict_errors - errors_before);
	if (n == -ENOBUFS) {
		fw_count(&counts->stats[FW_STAT_OVERRUNS], 1);
		return 0;
	}
	if (n <= 0)
		return n;
	const uint64_t received_ns = clock_ns(CLOCK_MONOTONIC);
	const int error = pass(p, (uint32_t)n, received_ns);
	if (error)
		return error;
	/* Only now, as nothing of this is for the packets that wait. */
	if (fw_coalesce_saw(&p->coalesce, (uint32_t)n, p->nfq.options.batch, received_ns))
		fw_coalesce_turn(&p->coalesce, received_ns, clock_ns(CLOCK_THREAD_CPUTIME_ID));
	return n;
}

int fw_pump_run(struct fw_pump *p)
{
	int n = 0;

	/* So that a pause of microseconds is not rounded up to twice that. */
	prctl(PR_SET_TIMERSLACK, 1000);
	/* Acquire: pairs with the release in fw_pump_stop(). */
	while (n >= 0 && !atomic_load_explicit(&p->stop, memory_order_acquire)) {
		n = turn(p, true);
		if (n == -EAGAIN)
			n = 0; /* waited in vain */
	}
	/* What was queued before the stop is at most a full queue; new packets must not keep us. */
	for (uint32_t left = p->nfq.options.depth; n >= 0 && left > 0;) {
		n = turn(p, false);
		if (n > 0)
			left -= (uint32_t)n < left ? (uint32_t)n : left;
	}
	p->last = fw_proc_queue(p->nfq.options.queue);
	/* Release: `last` is read after the acquire in kernel_says(). */
	atomic_store_explicit(&p->over, true, memory_order_release);
	fw_nfq_unbind(&p->nfq);
	return n < 0 && n != -EAGAIN ? n : 0;
}

void fw_pump_stop(struct fw_pump *p)
{
	/* Release: pairs with the acquire in fw_pump_run(). */
	atomic_store_explicit(&p->stop, true, memory_order_release);
	fw_netlink_wake(p->nfq.fd);
}

/* What the kernel says of the queue, or said last. */
static struct fw_proc_queue kernel_says(const struct fw_pump *p)
{
	/* Acquire: pairs with the release in fw_pump_run(). */
	const bool over = atomic_load_explicit(&p->over, memory_order_acquire);

	return over ? p->last : fw_proc_queue(p->nfq.options.queue);
}

struct fw_queue fw_pump_queue(const struct fw_pump *p)
{
	uint64_t own[FW_STAT_COUNT] = { 0 };

	fw_counts_add_stats(p->decider.counts, own);
	const struct fw_proc_queue q = kernel_says(p);
	return (struct fw_queue){
		.received = own[FW_STAT_RECEIVED],
		.number = p->nfq.options.queue,
		.waiting = q.waiting,
		.dropped = q.dropped,
		.user_dropped = q.user_dropped,
	};
}

void fw_pump_add_stats(const struct fw_pump *p, uint64_t *totals)
{
	uint64_t own[FW_STAT_COUNT] = { 0 };

	fw_counts_add_stats(p->decider.counts, own);
	const struct fw_proc_queue q = kernel_says(p);
	/* The kernel's count wraps at 2^32, but is never behind what had come to us before. */
	const uint64_t received = own[FW_STAT_RECEIVED];
	const uint32_t ahead = q.sequence - (uint32_t)(received + own[FW_STAT_QUEUED_AGAIN]);
	own[FW_STAT_KERNEL_QUEUED] = q.port ? received + ahead : 0;
	own[FW_STAT_KERNEL_WAITING] = q.waiting;
	own[FW_STAT_KERNEL_DROPPED] = q.dropped;
	own[FW_STAT_USER_DROPPED] = q.user_dropped;
	for (uint32_t i = 0; i < FW_STAT_COUNT; i++)
		totals[i] += own[i];
}
