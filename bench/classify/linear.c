/* Two linear scans: rule by rule, and eight rules at once with AVX2. */
#include <immintrin.h>
#include <stdlib.h>
#include <string.h>

#include "contestant.h"

enum { LANES = 8 };

static void keep(uint32_t words, const struct packet *p, void *key)
{
	(void)words;
	memcpy(key, p, sizeof *p);
}

struct masked {
	uint32_t source[4], source_mask[4];
	uint32_t destination[4], destination_mask[4];
	uint16_t sport[2], dport[2];
	uint8_t proto, proto_mask;
};

struct scalar {
	uint32_t count, words;
	struct masked rules[];
};

static void *build_scalar(const struct rules *rules, size_t *bytes)
{
	struct scalar *s = malloc(*bytes = sizeof *s + rules->count * sizeof *s->rules);

	s->count = rules->count;
	s->words = rules->words;
	for (uint32_t i = 0; i < rules->count; i++) {
		const struct rule *r = &rules->of[i];
		struct masked *m = &s->rules[i];
		*m = (struct masked){
			.sport = { r->sport[0], r->sport[1] },
			.dport = { r->dport[0], r->dport[1] },
			.proto = r->proto & r->proto_mask,
			.proto_mask = r->proto_mask,
		};
		for (uint32_t w = 0; w < 4; w++) {
			m->source_mask[w] = prefix_mask(r->source_length, w);
			m->source[w] = r->source[w] & m->source_mask[w];
			m->destination_mask[w] = prefix_mask(r->destination_length, w);
			m->destination[w] = r->destination[w] & m->destination_mask[w];
		}
	}
	return s;
}

static int under(const uint32_t *address, const uint32_t *mask, const uint32_t *value, uint32_t words)
{
	for (uint32_t w = 0; w < words; w++)
		if ((address[w] & mask[w]) != value[w])
			return 0;
	return 1;
}

static int32_t scan_scalar(const struct scalar *s, const struct packet *p)
{
	for (uint32_t i = 0; i < s->count; i++) {
		const struct masked *m = &s->rules[i];
		if (under(p->source, m->source_mask, m->source, s->words) &&
		    under(p->destination, m->destination_mask, m->destination, s->words) &&
		    p->sport >= m->sport[0] && p->sport <= m->sport[1] &&
		    p->dport >= m->dport[0] && p->dport <= m->dport[1] &&
		    (p->proto & m->proto_mask) == m->proto)
			return (int32_t)i;
	}
	return NO_MATCH;
}

static void classify_scalar(void *built, const void *keys, uint32_t n, int32_t *answers)
{
	const struct packet *packets = keys;

	for (uint32_t i = 0; i < n; i++)
		answers[i] = scan_scalar(built, &packets[i]);
}

/* Eight rules; those past the end ask for a source that its own mask forbids. */
struct block {
	uint32_t source[4][LANES], source_mask[4][LANES];
	uint32_t destination[4][LANES], destination_mask[4][LANES];
	uint16_t first[2][LANES], last[2][LANES]; /* source ports, destination ports */
	uint32_t proto[LANES], proto_mask[LANES];
};

struct blocks {
	uint32_t count, words;
	_Alignas(64) struct block of[];
};

static void *build_avx2(const struct rules *rules, size_t *bytes)
{
	const uint32_t count = (rules->count + LANES - 1) / LANES;
	size_t unused;
	struct scalar *s = build_scalar(rules, &unused);

	*bytes = (sizeof(struct blocks) + count * sizeof(struct block) + 63) & ~(size_t)63;
	struct blocks *b = aligned_alloc(64, *bytes);
	memset(b, 0, *bytes);
	b->count = count;
	b->words = rules->words;
	for (uint32_t i = 0; i < count * LANES; i++) {
		struct block *to = &b->of[i / LANES];
		const uint32_t lane = i % LANES;
		if (i >= rules->count) {
			to->source[0][lane] = 1;
			continue;
		}
		const struct masked *m = &s->rules[i];
		for (uint32_t w = 0; w < 4; w++) {
			to->source[w][lane] = m->source[w];
			to->source_mask[w][lane] = m->source_mask[w];
			to->destination[w][lane] = m->destination[w];
			to->destination_mask[w][lane] = m->destination_mask[w];
		}
		to->first[0][lane] = m->sport[0];
		to->last[0][lane] = m->sport[1];
		to->first[1][lane] = m->dport[0];
		to->last[1][lane] = m->dport[1];
		to->proto[lane] = m->proto;
		to->proto_mask[lane] = m->proto_mask;
	}
	free(s);
	return b;
}

static __m256i load(const void *from)
{
	return _mm256_load_si256(from);
}

static __m256i same(uint32_t word, const uint32_t *mask, const uint32_t *value)
{
	return _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32((int)word), load(mask)), load(value));
}

static inline __attribute__((always_inline)) int32_t scan_avx2(const struct blocks *b, uint32_t words,
							       const struct packet *p)
{
	const __m256i ports = _mm256_set_m128i(_mm_set1_epi16((short)p->dport), _mm_set1_epi16((short)p->sport));

	for (uint32_t i = 0; i < b->count; i++) {
		const struct block *k = &b->of[i];
		__m256i hit = _mm256_and_si256(same(p->source[0], k->source_mask[0], k->source[0]),
					       same(p->destination[0], k->destination_mask[0],
						    k->destination[0]));
		if (_mm256_testz_si256(hit, hit))
			continue;
		for (uint32_t w = 1; w < words; w++) {
			hit = _mm256_and_si256(hit, same(p->source[w], k->source_mask[w], k->source[w]));
			hit = _mm256_and_si256(hit, same(p->destination[w], k->destination_mask[w],
							 k->destination[w]));
		}
		const __m256i in = _mm256_and_si256(
			_mm256_cmpeq_epi16(_mm256_max_epu16(ports, load(k->first)), ports),
			_mm256_cmpeq_epi16(_mm256_min_epu16(ports, load(k->last)), ports));
		hit = _mm256_and_si256(hit, _mm256_cvtepi16_epi32(_mm_and_si128(
						    _mm256_castsi256_si128(in),
						    _mm256_extracti128_si256(in, 1))));
		hit = _mm256_and_si256(hit, same(p->proto, k->proto_mask, k->proto));
		const uint32_t mask = (uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(hit));
		if (mask)
			return (int32_t)(i * LANES + (uint32_t)__builtin_ctz(mask));
	}
	return NO_MATCH;
}

static void classify_avx2(void *built, const void *keys, uint32_t n, int32_t *answers)
{
	const struct blocks *b = built;
	const struct packet *packets = keys;

	for (uint32_t i = 0; i < n; i++)
		answers[i] = b->words == 1 ? scan_avx2(b, 1, &packets[i]) : scan_avx2(b, 4, &packets[i]);
}

const struct contestant linear_scalar = {
	"linear scalar", sizeof(struct packet), build_scalar, keep, classify_scalar
};
const struct contestant linear_avx2 = {
	"linear avx2", sizeof(struct packet), build_avx2, keep, classify_avx2
};
