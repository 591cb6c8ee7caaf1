/* What holds for a time, while the clock is set ahead and back. */
#include <string.h>
#include <time.h>

#include "../../native/dynamic.h"
#include "check.h"

#define SECOND UINT64_C(1000000000)

enum { LIMIT, UNTIL, MEMBER, LITERALS };

static int64_t set_by; /* seconds, the clock on the wall */

int __real_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now);

int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
	const int error = __real_clock_gettime(clock, now);

	if (clock == CLOCK_REALTIME)
		now->tv_sec += set_by;
	return error;
}

static uint32_t date_today(void)
{
	const time_t now = (time_t)(fw_time_now() / SECOND);
	struct tm local;

	localtime_r(&now, &local);
	return (uint32_t)((local.tm_year + 1900) * 10000 + (local.tm_mon + 1) * 100 + local.tm_mday);
}

/* Whether the literal is true of a packet from 192.0.2.1 that is seen now. */
static bool is(struct fw_dynamic *d, uint32_t literal)
{
	const struct fw_key key = { .source = { .lo = 0xc0000201 } };
	const struct fw_need need = { .first = literal, .count = 1 };

	fw_dynamic_begin(d);
	fw_dynamic_packet(d, &key, fw_time_now());
	const bool met = fw_dynamic_meets(d, &need);
	fw_dynamic_end(d);
	return met;
}

int main(void)
{
	static const uint32_t conditions[LITERALS] = { LIMIT * 2 + 1, UNTIL * 2 + 1, MEMBER * 2 + 1 };
	const struct fw_header header = {
		.literal_count = LITERALS,
		.set_count = 1,
		.member_count = 1,
		.self_set = FW_NO_RULE,
	};
	const struct fw_member host = { .lo = 0xc0000201, .length = 32 };
	const struct fw_set set = { .size = 8, .count = 1, .timeout = 3600 * SECOND };
	const struct fw_literal literals[LITERALS] = {
		[LIMIT] = { .kind = FW_LITERAL_LIMIT, .interval = 60 * SECOND, .burst = 1 },
		[UNTIL] = { .kind = FW_LITERAL_UNTIL, .until = date_today() },
		[MEMBER] = { .kind = FW_LITERAL_MEMBER },
	};
	const struct fw_tables tables = {
		.header = &header,
		.literals = literals,
		.conditions = conditions,
		.sets = &set,
		.members = &host,
	};
	struct fw_member listed;
	struct fw_dynamic *d;

	CHECK(fw_dynamic_new(&tables, &d) == 0);
	CHECK(is(d, LIMIT) && is(d, UNTIL) && is(d, MEMBER));

	/* Two days ahead only the date is another: the hour of the member is not over. */
	set_by = 2 * 86400;
	CHECK(!is(d, LIMIT) && !is(d, UNTIL) && is(d, MEMBER));
	CHECK(fw_dynamic_add(d, 0, &(struct fw_member){ .lo = 0xc0000201, .length = 32,
							.left = 60 * SECOND }) == 0);

	/* And back: it does not stay for longer, either. */
	set_by = -2 * 86400;
	CHECK(!is(d, LIMIT) && is(d, UNTIL) && is(d, MEMBER));
	CHECK(fw_dynamic_list(d, 0, &listed, 1) == 1);
	CHECK(listed.left > 50 * SECOND && listed.left <= 60 * SECOND);
	fw_dynamic_free(d);
	return 0;
}
