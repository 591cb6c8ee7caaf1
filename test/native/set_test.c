/* Run-time sets against a plain list of their members. */
#include "set.h"

#include <errno.h>

#include "check.h"

enum { SIZE = 16, STEPS = 20000, MOST = 64 };

struct twin {
	struct fw_member members[MOST];
	uint64_t until[MOST];
	uint32_t count;
};

static bool covers(const struct fw_member *m, struct fw_address a)
{
	const uint32_t shift = 32 - m->length;

	return m->length == 0 || (uint32_t)a.lo >> shift == (uint32_t)m->lo >> shift;
}

static bool twin_has(const struct twin *t, struct fw_address a, uint64_t now)
{
	for (uint32_t i = 0; i < t->count; i++)
		if (covers(&t->members[i], a) && (t->until[i] == 0 || t->until[i] > now))
			return true;
	return false;
}

/* Takes out what has gone, and the member itself; whether that was there. */
static bool twin_del(struct twin *t, const struct fw_member *m, uint64_t now)
{
	bool found = false;
	uint32_t kept = 0;

	for (uint32_t i = 0; i < t->count; i++) {
		const bool is = t->members[i].lo == m->lo && t->members[i].length == m->length;
		const bool live = t->until[i] == 0 || t->until[i] > now;
		found |= is && live;
		if (is || !live)
			continue;
		t->members[kept] = t->members[i];
		t->until[kept++] = t->until[i];
	}
	t->count = kept;
	return found;
}

static struct fw_member random_member(uint64_t *seed)
{
	const uint32_t length = 28 + random_below(seed, 5);
	const uint32_t address = random_below(seed, 64);

	return (struct fw_member){ .lo = address >> (32 - length) << (32 - length), .length = length };
}

static void a_set_is_what_was_added_and_has_not_gone(void)
{
	struct fw_set_table s;
	struct twin t = { .count = 0 };
	struct fw_member list[SIZE];
	uint64_t seed = 1;

	CHECK(fw_set_init(&s, SIZE) == 0);
	for (uint64_t now = 1; now < STEPS; now++) {
		const struct fw_member m = random_member(&seed);
		const struct fw_address a = { 0, random_below(&seed, 64) };
		CHECK(fw_member_ok(&m));
		if (random_below(&seed, 3)) {
			const uint64_t until = random_below(&seed, 2) ? now + random_below(&seed, 50) : 0;
			twin_del(&t, &m, now);
			const int error = fw_set_add(&s, &m, until, now);
			CHECK(error == (t.count == SIZE ? -ENOSPC : 0));
			if (!error) {
				t.members[t.count] = m;
				t.until[t.count++] = until;
			}
		} else {
			CHECK(fw_set_del(&s, &m, now) == (twin_del(&t, &m, now) ? 0 : -ENOENT));
		}
		CHECK(fw_set_has(&s, a, 0, now) == twin_has(&t, a, now));
		twin_del(&t, &(struct fw_member){ .length = 33 }, now);
		CHECK(fw_set_list(&s, list, SIZE, now) == t.count);
	}
	fw_set_clear(&s);
}

static void a_family_does_not_answer_for_the_other(void)
{
	const struct fw_member four = { .lo = 1, .length = 32 };
	const struct fw_member six = { .lo = 2, .family = 1, .length = 128 };
	struct fw_set_table s;

	CHECK(fw_set_init(&s, SIZE) == 0);
	CHECK(fw_set_add(&s, &four, 0, 1) == 0 && fw_set_add(&s, &six, 0, 1) == 0);
	CHECK(fw_set_has(&s, (struct fw_address){ 0, 1 }, 0, 1));
	CHECK(!fw_set_has(&s, (struct fw_address){ 0, 1 }, 1, 1));
	CHECK(fw_set_has(&s, (struct fw_address){ 0, 2 }, 1, 1));
	CHECK(!fw_set_has(&s, (struct fw_address){ 0, 2 }, 0, 1));
	fw_set_clear(&s);
}

int main(void)
{
	a_set_is_what_was_added_and_has_not_gone();
	a_family_does_not_answer_for_the_other();
	return 0;
}
