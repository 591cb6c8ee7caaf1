#include "coalesce.h"

#include "layout.h"

void fw_coalesce_init(struct fw_coalesce *c, uint32_t setting)
{
	const bool adaptive = setting == FW_COALESCE_AUTO;

	*c = (struct fw_coalesce){
		.sleep_us = adaptive ? FW_COALESCE_AUTO_US : setting,
		.always = !adaptive && setting > 0,
	};
}

void fw_coalesce_saw(struct fw_coalesce *c, uint32_t n, uint32_t batch, uint64_t now_ns)
{
	const uint64_t elapsed = now_ns - c->window_ns;

	if (c->sleep_us == 0 || c->always)
		return;
	c->seen += n;
	if (n == batch) {
		c->busy = false;
		return;
	}
	if (elapsed < FW_COALESCE_WINDOW_NS)
		return;
	/* A long wait makes a long window: what counts is packets a time. */
	c->busy = (uint64_t)c->seen * FW_COALESCE_WINDOW_NS > FW_COALESCE_BUSY * elapsed;
	c->window_ns = now_ns;
	c->seen = 0;
}
