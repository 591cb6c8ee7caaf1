#include "dynamic.h"

#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "limit.h"
#include "set.h"

enum { SECOND = 1000000000, DAY_MINUTES = 1440, WEEK = 7 };

/* What a clock on the wall shows, worked out once a minute. */
struct wall {
	uint64_t minute; /* since 1970, plus one; 0 for not yet */
	uint32_t day_minute;
	uint32_t weekday; /* 0 is Sunday */
	uint32_t date; /* as 20261231 */
};

struct rule_log {
	uint64_t next; /* time from which it may say something */
	uint32_t suppressed;
};

/* A limit, and whether it has another owner now, who frees it. */
struct limit {
	struct fw_limit *limit;
	bool lent;
};

struct fw_dynamic {
	pthread_mutex_t *lock; /* that of all it shares limits with */
	bool lent_lock;
	const struct fw_tables *tables;
	struct limit *limits; /* one a literal, used where that is a limit */
	struct fw_set_table *sets;
	struct rule_log *logs; /* one a rule */
	uint64_t *asked; /* one a literal: number of the last packet times 2, plus what it was */
	uint64_t packet_number;
	const struct fw_key *key;
	uint64_t time; /* as the wall's clock says */
	uint64_t steady; /* the same moment, as no clock that is set says */
	int64_t ahead; /* of that clock, the wall's */
	struct wall wall;
	uint32_t self_generation; /* 0: the host's addresses are not known yet */
};

static uint64_t clock_now(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec;
}

uint64_t fw_time_now(void)
{
	return clock_now(CLOCK_REALTIME);
}

/*
 * Now, on a clock that nobody sets: what is to last for a time lasts so long, whatever becomes of the
 * wall's. It begins so late that a packet of an old capture comes before now, and not before zero.
 */
static uint64_t steady_now(void)
{
	return clock_now(CLOCK_BOOTTIME) + (UINT64_C(1) << 61);
}

/* Two clocks are not read at once; that one was set shows in more than this. */
static void compare_clocks(struct fw_dynamic *d)
{
	const int64_t ahead = (int64_t)(fw_time_now() - steady_now());

	if (llabs(ahead - d->ahead) > (int64_t)SECOND)
		d->ahead = ahead;
}

/* The members that a set is declared with. */
static int declare(const struct fw_tables *t, uint32_t set, struct fw_set_table *out)
{
	const struct fw_set *s = &t->sets[set];
	const uint64_t now = steady_now();
	const int error = fw_set_init(out, s->size);

	if (error)
		return error;
	for (uint32_t m = s->first; m < s->first + s->count; m++)
		fw_set_add(out, &t->members[m], s->timeout ? now + s->timeout : 0, now);
	return 0;
}

static int new_limit(const struct fw_literal *rate, struct limit *out)
{
	out->limit = calloc(1, sizeof *out->limit);
	return out->limit ? fw_limit_init(out->limit, rate, FW_LIMIT_KEYS) : -ENOMEM;
}

static void free_limit(struct limit *l)
{
	if (l->limit && !l->lent) {
		fw_limit_clear(l->limit);
		free(l->limit);
	}
	l->limit = NULL;
}

int fw_dynamic_new(const struct fw_tables *t, struct fw_dynamic **out)
{
	const struct fw_header *h = t->header;
	struct fw_dynamic *d = calloc(1, sizeof *d);

	if (!d)
		return -ENOMEM;
	d->tables = t;
	d->packet_number = 1;
	int error = -ENOMEM;
	d->lock = malloc(sizeof *d->lock);
	d->limits = calloc(h->literal_count + 1, sizeof *d->limits);
	d->asked = calloc(h->literal_count + 1, sizeof *d->asked);
	d->sets = calloc(h->set_count + 1, sizeof *d->sets);
	d->logs = calloc(h->rule_count, sizeof *d->logs);
	if (!d->lock || !d->limits || !d->asked || !d->sets || !d->logs)
		goto fail;
	pthread_mutex_init(d->lock, NULL);
	for (uint32_t i = 0; i < h->literal_count; i++) {
		if (t->literals[i].kind != FW_LITERAL_LIMIT)
			continue;
		error = new_limit(&t->literals[i], &d->limits[i]);
		if (error)
			goto fail;
	}
	for (uint32_t i = 0; i < h->set_count; i++) {
		error = declare(t, i, &d->sets[i]);
		if (error)
			goto fail;
	}
	fw_dynamic_refresh_self(d, 1);
	*out = d;
	return 0;
fail:
	fw_dynamic_free(d);
	return error;
}

static void free_lock(struct fw_dynamic *d)
{
	if (!d->lock || d->lent_lock)
		return;
	pthread_mutex_destroy(d->lock);
	free(d->lock);
}

void fw_dynamic_free(struct fw_dynamic *d)
{
	if (!d)
		return;
	for (uint32_t i = 0; d->limits && i < d->tables->header->literal_count; i++)
		free_limit(&d->limits[i]);
	for (uint32_t i = 0; d->sets && i < d->tables->header->set_count; i++)
		fw_set_clear(&d->sets[i]);
	free(d->limits);
	free(d->asked);
	free(d->sets);
	free(d->logs);
	free_lock(d);
	free(d);
}

/* Each at most once: a bucket cannot serve two rules that had one each. */
static int check_literals(const struct fw_tables *t, const struct fw_tables *old,
			  const uint32_t *literals)
{
	const uint32_t count = old->header->literal_count;
	bool *taken = calloc(count + 1, sizeof *taken);
	int error = taken ? 0 : -ENOMEM;

	for (uint32_t i = 0; i < t->header->literal_count && !error; i++) {
		const uint32_t n = literals[i];
		if (n == FW_NO_RULE)
			continue;
		if (n >= count || taken[n] || t->literals[i].kind != FW_LITERAL_LIMIT ||
		    memcmp(&t->literals[i], &old->literals[n], sizeof *t->literals) != 0)
			error = -EINVAL;
		else
			taken[n] = true;
	}
	free(taken);
	return error;
}

static int carry_set(struct fw_dynamic *d, uint32_t set, const struct fw_dynamic *from, uint32_t old)
{
	struct fw_set_table declared;

	if (old >= from->tables->header->set_count || set == d->tables->header->self_set)
		return -EINVAL;
	int error = declare(from->tables, old, &declared);
	if (error)
		return error;
	error = fw_set_carry(&d->sets[set], &from->sets[old], &declared, steady_now());
	fw_set_clear(&declared);
	return error;
}

int fw_dynamic_carry(struct fw_dynamic *d, struct fw_dynamic *from, const struct fw_carry *carry)
{
	const struct fw_header *h = d->tables->header;
	int error = check_literals(d->tables, from->tables, carry->literals);

	for (uint32_t i = 0; i < h->rule_count && !error; i++)
		if (carry->rules[i] != FW_NO_RULE &&
		    carry->rules[i] >= from->tables->header->rule_count)
			error = -EINVAL;
	fw_dynamic_begin(from);
	d->ahead = from->ahead;
	for (uint32_t i = 0; i < h->set_count && !error; i++)
		if (carry->sets[i] != FW_NO_RULE)
			error = carry_set(d, i, from, carry->sets[i]);
	for (uint32_t i = 0; i < h->rule_count && !error; i++)
		if (carry->rules[i] != FW_NO_RULE)
			d->logs[i] = from->logs[carry->rules[i]];
	fw_dynamic_end(from);
	if (error)
		return error;
	for (uint32_t i = 0; i < h->literal_count; i++) {
		if (carry->literals[i] == FW_NO_RULE)
			continue;
		struct limit *old = &from->limits[carry->literals[i]];
		free_limit(&d->limits[i]);
		d->limits[i].limit = old->limit;
		old->lent = true;
	}
	free_lock(d);
	d->lock = from->lock;
	from->lent_lock = true;
	return 0;
}

void fw_dynamic_begin(struct fw_dynamic *d)
{
	pthread_mutex_lock(d->lock);
	compare_clocks(d);
}

void fw_dynamic_end(struct fw_dynamic *d)
{
	pthread_mutex_unlock(d->lock);
}

void fw_dynamic_packet(struct fw_dynamic *d, const struct fw_key *key, uint64_t packet_time)
{
	d->packet_number++;
	d->key = key;
	d->time = packet_time;
	d->steady = packet_time - (uint64_t)d->ahead;
}

static const struct wall *wall_now(struct fw_dynamic *d)
{
	const uint64_t minute = d->time / (UINT64_C(60) * SECOND) + 1;
	const time_t seconds = (time_t)(d->time / SECOND);
	struct tm local;

	if (d->wall.minute == minute || !localtime_r(&seconds, &local))
		return &d->wall;
	d->wall = (struct wall){
		.minute = minute,
		.day_minute = (uint32_t)(local.tm_hour * 60 + local.tm_min),
		.weekday = (uint32_t)local.tm_wday,
		.date = (uint32_t)((local.tm_year + 1900) * 10000 + (local.tm_mon + 1) * 100 +
				   local.tm_mday),
	};
	return &d->wall;
}

static bool in_hours(const struct fw_literal *l, const struct wall *w)
{
	const bool today = l->days >> w->weekday & 1;
	const bool yesterday = l->days >> ((w->weekday + WEEK - 1) % WEEK) & 1;

	if (l->from < l->to)
		return today && w->day_minute >= l->from && w->day_minute < l->to;
	return (today && w->day_minute >= l->from) || (yesterday && w->day_minute < l->to);
}

static bool ask(struct fw_dynamic *d, uint32_t literal)
{
	const struct fw_literal *l = &d->tables->literals[literal];

	switch (l->kind) {
	case FW_LITERAL_LIMIT:
		return fw_limit_take(d->limits[literal].limit, d->key, d->steady);
	case FW_LITERAL_TIME:
		return in_hours(l, wall_now(d));
	case FW_LITERAL_UNTIL:
		return wall_now(d)->date <= l->until;
	default:
		return fw_set_has(&d->sets[l->set], l->of ? d->key->destination : d->key->source,
				  d->key->scalar[FW_FIELD_FAMILY], d->steady);
	}
}

bool fw_dynamic_meets(struct fw_dynamic *d, const struct fw_need *need)
{
	for (uint32_t i = need->first; i < need->first + need->count; i++) {
		const uint32_t condition = d->tables->conditions[i];
		uint64_t *asked = &d->asked[condition / 2];
		if (*asked / 2 != d->packet_number)
			*asked = d->packet_number * 2 + ask(d, condition / 2);
		if ((*asked & 1) != (condition & 1))
			return false;
	}
	return true;
}

bool fw_dynamic_may_log(struct fw_dynamic *d, uint32_t rule, uint32_t *suppressed)
{
	const uint64_t every = d->tables->rules[rule].log_every;
	struct rule_log *log = &d->logs[rule];

	/* Not even a capture whose clock was set back keeps a rule silent for longer. */
	if (d->steady < log->next && log->next - d->steady <= every) {
		log->suppressed++;
		return false;
	}
	*suppressed = log->suppressed;
	*log = (struct rule_log){ .next = d->steady + every };
	return true;
}

static int changeable(const struct fw_dynamic *d, uint32_t set, const struct fw_member *m)
{
	const struct fw_header *h = d->tables->header;

	if (set >= h->set_count || !fw_member_ok(m))
		return -EINVAL;
	return set == h->self_set ? -EPERM : 0;
}

int fw_dynamic_add(struct fw_dynamic *d, uint32_t set, const struct fw_member *m)
{
	const uint64_t now = steady_now();
	int error = changeable(d, set, m);

	if (error)
		return error;
	const uint64_t stay = m->left ? m->left : d->tables->sets[set].timeout;
	fw_dynamic_begin(d);
	error = fw_set_add(&d->sets[set], m, stay ? now + stay : 0, now);
	fw_dynamic_end(d);
	return error;
}

int fw_dynamic_del(struct fw_dynamic *d, uint32_t set, const struct fw_member *m)
{
	int error = changeable(d, set, m);

	if (error)
		return error;
	fw_dynamic_begin(d);
	error = fw_set_del(&d->sets[set], m, steady_now());
	fw_dynamic_end(d);
	return error;
}

int64_t fw_dynamic_list(struct fw_dynamic *d, uint32_t set, struct fw_member *out, uint32_t room)
{
	if (set >= d->tables->header->set_count)
		return -EINVAL;
	fw_dynamic_begin(d);
	const uint32_t count = fw_set_list(&d->sets[set], out, room, steady_now());
	fw_dynamic_end(d);
	return count;
}

static uint64_t big_endian64(const uint8_t *p)
{
	uint64_t value;

	memcpy(&value, p, sizeof value);
	return __builtin_bswap64(value);
}

/* False for an address of neither family. */
static bool member_of(const struct sockaddr *a, struct fw_member *m)
{
	if (!a || (a->sa_family != AF_INET && a->sa_family != AF_INET6))
		return false;
	if (a->sa_family == AF_INET) {
		const struct sockaddr_in *v4 = (const void *)a;
		*m = (struct fw_member){ .lo = ntohl(v4->sin_addr.s_addr), .length = 32 };
		return true;
	}
	const struct sockaddr_in6 *v6 = (const void *)a;
	*m = (struct fw_member){
		.hi = big_endian64(v6->sin6_addr.s6_addr),
		.lo = big_endian64(v6->sin6_addr.s6_addr + 8),
		.family = 1,
		.length = 128,
	};
	return true;
}

void fw_dynamic_refresh_self(struct fw_dynamic *d, uint32_t generation)
{
	const uint32_t self = d->tables->header->self_set;
	struct ifaddrs *addresses;
	struct fw_member m;

	if (self == FW_NO_RULE)
		return;
	fw_dynamic_begin(d);
	const bool known = d->self_generation == generation && generation != 0;
	/* What cannot be asked stays as it was known. */
	if (!known && getifaddrs(&addresses) == 0) {
		fw_set_empty(&d->sets[self]);
		for (const struct ifaddrs *a = addresses; a; a = a->ifa_next)
			if (member_of(a->ifa_addr, &m))
				(void)fw_set_add(&d->sets[self], &m, 0, 0);
		freeifaddrs(addresses);
		d->self_generation = generation;
	}
	fw_dynamic_end(d);
}
