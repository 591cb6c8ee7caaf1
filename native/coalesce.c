#include "coalesce.h"

#include <errno.h>
#include <time.h>

#include "layout.h"

void fw_coalesce_init(struct fw_coalesce *c, uint32_t setting)
{
	const bool adaptive = setting == FW_COALESCE_AUTO;

	*c = (struct fw_coalesce){
		.sleep_us = adaptive ? FW_COALESCE_AUTO_US : setting,
		.always = !adaptive && setting > 0,
	};
}

int fw_coalesce_receive(const struct fw_coalesce *c, struct fw_nfq *q, struct fw_queued *packets)
{
	const struct timespec pause = { .tv_nsec = (long)c->sleep_us * 1000 };
	int n = -EAGAIN;

	if (fw_coalesce_wanted(c)) {
		/* What came while others were answered waits no longer. */
		if (!c->flood)
			n = fw_nfq_receive(q, false, packets);
		if (n != -EAGAIN)
			return n;
		nanosleep(&pause, NULL);
	}
	return fw_nfq_receive(q, true, packets);
}

bool fw_coalesce_saw(struct fw_coalesce *c, uint32_t n, uint32_t batch, uint64_t now_ns)
{
	if (c->sleep_us == 0)
		return false;
	c->seen += n;
	c->full = n == batch;
	return now_ns - c->window_ns >= FW_COALESCE_WINDOW_NS;
}

void fw_coalesce_turn(struct fw_coalesce *c, uint64_t now_ns, uint64_t cpu_ns)
{
	const uint64_t elapsed = now_ns - c->window_ns;
	/* A long wait makes a long window: what counts is packets a time. */
	const uint64_t rate = (uint64_t)c->seen * FW_COALESCE_WINDOW_NS;
	const bool busy = rate > FW_COALESCE_BUSY * elapsed;
	double *cost = &c->cost_ns[c->sleeps];

	if (busy) {
		const double now = (double)(cpu_ns - c->window_cpu_ns) / c->seen;
		*cost += *cost == 0 ? now : (now - *cost) / 4;
		/* What is not known is tried. */
		const bool pays = c->cost_ns[true] < c->cost_ns[false];
		c->sleeps = ++c->windows % FW_COALESCE_TRIAL == 0 ? !pays : pays;
	} else {
		c->sleeps = false;
	}
	c->flood = rate > FW_COALESCE_FLOOD * elapsed;
	c->window_ns = now_ns;
	c->window_cpu_ns = cpu_ns;
	c->seen = 0;
}
