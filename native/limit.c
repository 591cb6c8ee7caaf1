#include "limit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* literal.keys */
enum { BY_SOURCE = 1, BY_DESTINATION = 2, BY_SPORT = 4, BY_DPORT = 8 };

int fw_limit_init(struct fw_limit *l, const struct fw_literal *rate, uint32_t capacity)
{
	*l = (struct fw_limit){ .rate = *rate, .capacity = rate->keys ? capacity : 0 };
	l->buckets = calloc(l->capacity + 1, sizeof *l->buckets);
	l->chains = calloc(l->capacity + 1, sizeof *l->chains);
	if (!l->buckets || !l->chains) {
		fw_limit_clear(l);
		return -ENOMEM;
	}
	/* Without randomness the hash is only easier to attack. */
	(void)!getrandom(&l->seed, sizeof l->seed, GRND_NONBLOCK);
	return 0;
}

void fw_limit_clear(struct fw_limit *l)
{
	free(l->buckets);
	free(l->chains);
	*l = (struct fw_limit){ 0 };
}

static struct fw_address masked(struct fw_address a, uint32_t six, uint32_t bits4, uint32_t bits6)
{
	if (!six) {
		a.lo &= bits4 ? UINT64_C(0xffffffff) << (32 - bits4) : 0;
	} else if (bits6 <= 64) {
		a.hi &= bits6 ? ~UINT64_C(0) << (64 - bits6) : 0;
		a.lo = 0;
	} else {
		a.lo &= ~UINT64_C(0) << (128 - bits6);
	}
	return a;
}

static struct fw_bucket_key key_of(const struct fw_literal *r, const struct fw_key *p)
{
	const uint32_t six = p->scalar[FW_FIELD_FAMILY];
	struct fw_bucket_key k = { 0 };

	if (r->keys & BY_SOURCE)
		k.source = masked(p->source, six, r->source4, r->source6);
	if (r->keys & BY_DESTINATION)
		k.destination = masked(p->destination, six, r->destination4, r->destination6);
	if (r->keys & (BY_SOURCE | BY_DESTINATION))
		k.family = six;
	/* A packet without ports has a bucket of its own beside that of port 0. */
	if (r->keys & BY_SPORT)
		k.ports = (p->scalar[FW_FIELD_SPORT] & 0xffff) << 16;
	if (r->keys & BY_DPORT)
		k.ports |= p->scalar[FW_FIELD_DPORT] & 0xffff;
	if ((r->keys & (BY_SPORT | BY_DPORT)) && p->scalar[FW_FIELD_SPORT] == FW_NO_PORT)
		k.family |= 2;
	return k;
}

/* The finalizer of splitmix64 (Steele, Lea, Flood 2014) over both. */
static uint64_t mix(uint64_t a, uint64_t b)
{
	uint64_t x = (a ^ a >> 32) * UINT64_C(0x9e3779b97f4a7c15) + b;

	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

static uint32_t *chain_of(const struct fw_limit *l, const struct fw_bucket_key *k)
{
	uint64_t hash = mix(l->seed ^ k->source.hi, k->source.lo);

	hash = mix(hash ^ k->destination.hi, k->destination.lo);
	hash = mix(hash, (uint64_t)k->ports << 32 | k->family);
	return &l->chains[hash & (l->capacity - 1)];
}

static bool same(const struct fw_bucket_key *a, const struct fw_bucket_key *b)
{
	return a->source.hi == b->source.hi && a->source.lo == b->source.lo &&
	       a->destination.hi == b->destination.hi && a->destination.lo == b->destination.lo &&
	       a->ports == b->ports && a->family == b->family;
}

/* The ring of ages goes through bucket 0: its `older` is the newest, its `newer` the oldest. */
static void leave_ring(struct fw_limit *l, const struct fw_bucket *b)
{
	l->buckets[b->newer].older = b->older;
	l->buckets[b->older].newer = b->newer;
}

static void join_newest(struct fw_limit *l, struct fw_bucket *b)
{
	const uint32_t number = (uint32_t)(b - l->buckets);

	b->newer = 0;
	b->older = l->buckets[0].older;
	l->buckets[b->older].newer = number;
	l->buckets[0].older = number;
}

/* A bucket that no key has: an unused one, else the one used longest ago. */
static struct fw_bucket *spare_bucket(struct fw_limit *l)
{
	if (l->used < l->capacity)
		return &l->buckets[++l->used];
	const uint32_t oldest = l->buckets[0].newer;
	struct fw_bucket *b = &l->buckets[oldest];
	uint32_t *link = chain_of(l, &b->key);
	while (*link != oldest)
		link = &l->buckets[*link].next_in_chain;
	*link = b->next_in_chain;
	leave_ring(l, b);
	return b;
}

static struct fw_bucket *bucket_of(struct fw_limit *l, const struct fw_key *packet)
{
	if (l->capacity == 0)
		return &l->buckets[0];
	const struct fw_bucket_key key = key_of(&l->rate, packet);
	uint32_t *chain = chain_of(l, &key);
	for (uint32_t n = *chain; n; n = l->buckets[n].next_in_chain) {
		struct fw_bucket *b = &l->buckets[n];
		if (!same(&b->key, &key))
			continue;
		leave_ring(l, b);
		join_newest(l, b);
		return b;
	}
	struct fw_bucket *b = spare_bucket(l);
	*b = (struct fw_bucket){ .key = key, .next_in_chain = *chain };
	*chain = (uint32_t)(b - l->buckets);
	join_newest(l, b);
	return b;
}

bool fw_limit_take(struct fw_limit *l, const struct fw_key *key, uint64_t now)
{
	const uint64_t interval = l->rate.interval;
	const uint64_t whole = interval * l->rate.burst;
	struct fw_bucket *b = bucket_of(l, key);

	/* A clock that was set back must not keep a bucket empty for longer than it takes to fill. */
	if (b->full_at > now + whole)
		b->full_at = now + whole;
	const uint64_t from = b->full_at > now ? b->full_at : now;
	if (from + interval > now + whole)
		return false;
	b->full_at = from + interval;
	return true;
}
