#include "set.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int fw_set_init(struct fw_set_table *s, uint32_t size)
{
	uint32_t chains = 1;

	while (chains < size)
		chains *= 2;
	*s = (struct fw_set_table){ .size = size, .mask = chains - 1 };
	s->entries = calloc((size_t)size + 1, sizeof *s->entries);
	s->chains = calloc(chains, sizeof *s->chains);
	if (!s->entries || !s->chains) {
		fw_set_clear(s);
		return -ENOMEM;
	}
	fw_set_empty(s);
	return 0;
}

void fw_set_clear(struct fw_set_table *s)
{
	free(s->entries);
	free(s->chains);
	*s = (struct fw_set_table){ 0 };
}

void fw_set_empty(struct fw_set_table *s)
{
	memset(s->chains, 0, ((size_t)s->mask + 1) * sizeof *s->chains);
	memset(s->lengths, 0, sizeof s->lengths);
	for (uint32_t i = 1; i <= s->size; i++)
		s->entries[i] = (struct fw_set_entry){ .next = i < s->size ? i + 1 : 0 };
	s->free = 1;
	s->count = 0;
}

/* Without the bits behind a prefix. */
static struct fw_address prefix(struct fw_address a, uint32_t family, uint32_t length)
{
	if (family == 0)
		return (struct fw_address){
			0, a.lo & (length ? UINT64_C(0xffffffff) << (32 - length) : 0)
		};
	if (length <= 64)
		return (struct fw_address){ a.hi & (length ? ~UINT64_C(0) << (64 - length) : 0), 0 };
	return (struct fw_address){ a.hi, a.lo & ~UINT64_C(0) << (128 - length) };
}

bool fw_member_ok(const struct fw_member *m)
{
	const struct fw_address a = { m->hi, m->lo };

	if (m->family > 1 || m->length > (m->family ? 128u : 32u))
		return false;
	const struct fw_address p = prefix(a, m->family, m->length);
	return p.hi == a.hi && p.lo == a.lo;
}

static uint32_t *chain_of(const struct fw_set_table *s, struct fw_address a, uint32_t family,
			  uint32_t length)
{
	uint64_t hash = a.lo * UINT64_C(0x9e3779b97f4a7c15) ^ a.hi;

	hash = (hash ^ hash >> 32) * UINT64_C(0xd6e8feb86659fd93) + length * 2 + family;
	hash *= UINT64_C(0x9e3779b97f4a7c15);
	return &s->chains[hash >> 32 & s->mask];
}

/* The link to a member's entry; to 0 if it is not there. */
static uint32_t *find(const struct fw_set_table *s, struct fw_address a, uint32_t family,
		      uint32_t length)
{
	uint32_t *link = chain_of(s, a, family, length);

	for (; *link; link = &s->entries[*link].next) {
		const struct fw_member *m = &s->entries[*link].member;
		if (m->lo == a.lo && m->hi == a.hi && m->length == length && m->family == family)
			break;
	}
	return link;
}

static bool gone(const struct fw_set_entry *e, uint64_t now)
{
	return e->member.left != 0 && e->member.left <= now;
}

static void take_out(struct fw_set_table *s, uint32_t *link)
{
	const uint32_t number = *link;
	struct fw_set_entry *e = &s->entries[number];

	s->lengths[e->member.family][e->member.length]--;
	*link = e->next;
	*e = (struct fw_set_entry){ .next = s->free };
	s->free = number;
	s->count--;
}

static void take_out_gone(struct fw_set_table *s, uint64_t now)
{
	for (uint32_t c = 0; c <= s->mask; c++) {
		for (uint32_t *link = &s->chains[c]; *link;) {
			struct fw_set_entry *e = &s->entries[*link];
			if (gone(e, now))
				take_out(s, link);
			else
				link = &e->next;
		}
	}
}

int fw_set_add(struct fw_set_table *s, const struct fw_member *m, uint64_t until, uint64_t now)
{
	const struct fw_address a = { m->hi, m->lo };
	const uint32_t known = *find(s, a, m->family, m->length);

	if (known) {
		s->entries[known].member.left = until;
		return 0;
	}
	if (!s->free)
		take_out_gone(s, now);
	if (!s->free)
		return -ENOSPC;
	const uint32_t number = s->free;
	struct fw_set_entry *e = &s->entries[number];
	uint32_t *chain = chain_of(s, a, m->family, m->length);
	s->free = e->next;
	*e = (struct fw_set_entry){ .member = *m, .next = *chain, .used = true };
	e->member.left = until;
	*chain = number;
	s->lengths[m->family][m->length]++;
	s->count++;
	return 0;
}

int fw_set_del(struct fw_set_table *s, const struct fw_member *m, uint64_t now)
{
	const struct fw_address a = { m->hi, m->lo };
	uint32_t *link = find(s, a, m->family, m->length);

	if (!*link)
		return -ENOENT;
	const bool late = gone(&s->entries[*link], now);
	take_out(s, link);
	return late ? -ENOENT : 0;
}

bool fw_set_has(const struct fw_set_table *s, struct fw_address a, uint32_t family, uint64_t now)
{
	for (uint32_t length = 0; length <= (family ? 128u : 32u); length++) {
		if (s->lengths[family][length] == 0)
			continue;
		const uint32_t n = *find(s, prefix(a, family, length), family, length);
		if (n && !gone(&s->entries[n], now))
			return true;
	}
	return false;
}

bool fw_set_lists(const struct fw_set_table *s, const struct fw_member *m)
{
	return *find(s, (struct fw_address){ m->hi, m->lo }, m->family, m->length) != 0;
}

int fw_set_carry(struct fw_set_table *s, const struct fw_set_table *from,
		 const struct fw_set_table *declared, uint64_t now)
{
	int error = 0;

	for (uint32_t i = 1; i <= declared->size; i++) {
		const struct fw_set_entry *e = &declared->entries[i];
		if (e->used && !fw_set_lists(from, &e->member))
			(void)fw_set_del(s, &e->member, now);
	}
	for (uint32_t i = 1; i <= from->size && !error; i++) {
		const struct fw_set_entry *e = &from->entries[i];
		const struct fw_member *m = &e->member;
		if (!e->used || gone(e, now) || (fw_set_lists(declared, m) && !fw_set_lists(s, m)))
			continue;
		error = fw_set_add(s, m, m->left, now);
	}
	return error;
}

uint32_t fw_set_list(const struct fw_set_table *s, struct fw_member *out, uint32_t room, uint64_t now)
{
	uint32_t count = 0;

	for (uint32_t i = 1; i <= s->size; i++) {
		const struct fw_set_entry *e = &s->entries[i];
		if (!e->used || gone(e, now))
			continue;
		if (count < room) {
			out[count] = e->member;
			if (e->member.left)
				out[count].left = e->member.left - now;
		}
		count++;
	}
	return count;
}
