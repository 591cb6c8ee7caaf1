/*
 * Times contestants on one rule set, in turns, and prints one JSON line a contestant and batch.
 *
 *   harness RULES IMAGE WORDS TRACE PACKETS ROUNDS SEED BATCHES [ACL_LIBRARY]
 *
 * TRACE is uniform (each packet a random point of a random rule) or zipf (the same over flows,
 * exponent 1). Before a block of packets is timed its keys are copied to the same place, as a
 * packet loop has just written them there. Every answer is compared with a scan of the rules.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "contestant.h"
#include "fw.h"
#include "layout.h"

enum { BLOCK = 256, FLOWS = 65536, MOST_CONTESTANTS = 9, MOST_ROUNDS = 64 };

/* Rules times packets of one round: a contestant that scans gets fewer packets. */
static const double PATIENCE = 3e8;

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* splitmix64 (Steele, Lea, Flood 2014). */
static uint64_t next_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static uint32_t below(uint64_t *seed, uint32_t limit)
{
	return (uint32_t)(next_random(seed) % limit);
}

static struct packet packet_in(const struct rules *rules, uint64_t *seed)
{
	static const uint8_t protocols[] = { 6, 17, 6, 47 };
	const struct rule *r = &rules->of[below(seed, rules->count)];
	struct packet p = {
		.sport = (uint16_t)(r->sport[0] + below(seed, r->sport[1] - r->sport[0] + 1u)),
		.dport = (uint16_t)(r->dport[0] + below(seed, r->dport[1] - r->dport[0] + 1u)),
		.proto = r->proto_mask ? r->proto : protocols[below(seed, 4)],
	};

	for (uint32_t w = 0; w < rules->words; w++) {
		const uint32_t s = prefix_mask(r->source_length, w);
		const uint32_t d = prefix_mask(r->destination_length, w);
		p.source[w] = (r->source[w] & s) | ((uint32_t)next_random(seed) & ~s);
		p.destination[w] = (r->destination[w] & d) | ((uint32_t)next_random(seed) & ~d);
	}
	return p;
}

static struct packet *make_trace(const struct rules *rules, const char *kind, uint32_t n, uint64_t seed)
{
	struct packet *trace = malloc(n * sizeof *trace);
	static struct packet flows[FLOWS];
	static double below_flow[FLOWS];
	double sum = 0;

	if (strcmp(kind, "zipf") != 0) {
		for (uint32_t i = 0; i < n; i++)
			trace[i] = packet_in(rules, &seed);
		return trace;
	}
	for (uint32_t f = 0; f < FLOWS; f++) {
		flows[f] = packet_in(rules, &seed);
		below_flow[f] = sum += 1.0 / (f + 1);
	}
	for (uint32_t i = 0; i < n; i++) {
		const double x = sum * (double)(next_random(&seed) >> 11) / 9007199254740992.0;
		uint32_t lo = 0, hi = FLOWS - 1;
		while (lo < hi) {
			const uint32_t middle = (lo + hi) / 2;
			if (below_flow[middle] < x)
				lo = middle + 1;
			else
				hi = middle;
		}
		trace[i] = flows[lo];
	}
	return trace;
}

struct entry {
	const struct contestant *as;
	void *built;
	uint8_t *keys;
	double read_ms; /* of the image */
	double build_ms;
	size_t bytes;
	uint32_t packets; /* of the trace that it gets */
	uint32_t wrong;
	double ns[MOST_ROUNDS]; /* a packet */
};

static double run(struct entry *e, uint32_t batch, int32_t *answers)
{
	const uint32_t size = e->as->key_size;
	const uint32_t block = batch > BLOCK ? batch : BLOCK;
	static _Alignas(64) uint8_t hot[BLOCK * 16 * 256];
	double total = 0;

	for (uint32_t at = 0; at + block <= e->packets; at += block) {
		memcpy(hot, e->keys + (size_t)at * size, (size_t)block * size);
		const double from = now_ns();
		for (uint32_t i = 0; i < block; i += batch)
			e->as->classify(e->built, hot + (size_t)i * size, batch, answers + at + i);
		total += now_ns() - from;
	}
	return total / (e->packets / block * block);
}

static int by_value(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void print(const struct entry *e, uint32_t rounds, uint32_t batch)
{
	double ns[MOST_ROUNDS];

	memcpy(ns, e->ns, sizeof ns);
	qsort(ns, rounds, sizeof *ns, by_value);
	printf("{\"contestant\":\"%s\",\"batch\":%u,\"ns\":%.2f,\"best\":%.2f,\"worst\":%.2f,"
	       "\"wrong\":%u,\"bytes\":%zu,\"readMs\":%.2f,\"loadMs\":%.2f,"
	       "\"rounds\":[",
	       e->as->name, batch, ns[rounds / 2], ns[0], ns[rounds - 1], e->wrong, e->bytes,
	       e->read_ms, e->build_ms);
	for (uint32_t r = 0; r < rounds; r++)
		printf("%s%.2f", r ? "," : "", e->ns[r]);
	printf("]}\n");
}

static void *read_file(const char *name, size_t *size)
{
	FILE *f = fopen(name, "rb");

	if (!f || fseek(f, 0, SEEK_END) != 0) {
		perror(name);
		exit(1);
	}
	*size = (size_t)ftell(f);
	rewind(f);
	void *bytes = malloc(*size + 1);
	if (fread(bytes, 1, *size, f) != *size)
		exit(1);
	fclose(f);
	return bytes;
}

/* The image where an engine is to take it from, as whoever makes tables writes them. */
static uint8_t *read_image(const char *name, uint8_t **room, uint32_t *size)
{
	const int fd = open(name, O_RDONLY);
	struct stat file;

	if (fd < 0 || fstat(fd, &file) != 0) {
		perror(name);
		exit(1);
	}
	*size = (uint32_t)file.st_size;
	*room = malloc((size_t)*size + FW_IMAGE_SLACK);
	uint8_t *image = *room + fw_image_place(*room, *size + FW_IMAGE_SLACK);
	if (read(fd, image, *size) != (ssize_t)*size)
		exit(1);
	close(fd);
	return image;
}

static uint32_t enter(struct entry *entries, const char *acl_library)
{
	uint32_t n = 0;

	entries[n++].as = &engine;
	entries[n++].as = &linear_scalar;
	if (__builtin_cpu_supports("avx2"))
		entries[n++].as = &linear_avx2;
	entries[n++].as = &engine_flows;
	if (!acl_library)
		return n;
	void *library = dlopen(acl_library, RTLD_NOW);
	const struct contestant *paths = library ? dlsym(library, "acl_contestants") : NULL;
	if (!paths) {
		fprintf(stderr, "%s\n", dlerror());
		exit(1);
	}
	for (uint32_t i = 0; i < ACL_CONTESTANTS; i++)
		entries[n++].as = &paths[i];
	return n;
}

int main(int argc, char **argv)
{
	static struct entry entries[MOST_CONTESTANTS];

	if (argc < 9)
		return 2;
	size_t rules_size;
	const struct rule *list = read_file(argv[1], &rules_size);
	struct rules rules = { list, (uint32_t)(rules_size / sizeof *list), (uint32_t)atoi(argv[3]), NULL,
			       0 };
	const uint32_t packets = (uint32_t)atoi(argv[5]), rounds = (uint32_t)atoi(argv[6]);
	const struct packet *trace = make_trace(&rules, argv[4], packets, strtoull(argv[7], NULL, 10));
	const uint32_t count = enter(entries, argc > 9 ? argv[9] : NULL);
	int32_t *expected = malloc(packets * sizeof *expected);
	int32_t *answers = malloc(packets * sizeof *answers);

	for (uint32_t i = 0; i < count; i++) {
		struct entry *e = &entries[i];
		const bool of_tables = e->as == &engine || e->as == &engine_flows;
		uint8_t *room = NULL;
		const double from = now_ns();
		if (of_tables)
			rules.image = read_image(argv[2], &room, &rules.image_size);
		const double ready = now_ns();
		e->built = e->as->build(&rules, &e->bytes);
		e->read_ms = (ready - from) / 1e6;
		e->build_ms = (now_ns() - ready) / 1e6;
		free(room);
		if (!e->built) {
			printf("{\"contestant\":\"%s\",\"failed\":true}\n", e->as->name);
			continue;
		}
		e->packets = packets;
		if (e->as == &linear_scalar || e->as == &linear_avx2) {
			const double share = PATIENCE / ((double)rules.count * packets);
			if (share < 1)
				e->packets = ((uint32_t)(share * packets) / BLOCK + 1) * BLOCK;
		}
		e->keys = calloc(packets, e->as->key_size);
		for (uint32_t p = 0; p < packets; p++)
			e->as->pack(rules.words, &trace[p], e->keys + (size_t)p * e->as->key_size);
	}
	/* The wide scan is the quicker of the two that are plainly right; the scalar one checks it. */
	struct entry *reference = &entries[__builtin_cpu_supports("avx2") ? 2 : 1];
	reference->as->classify(reference->built, reference->keys, packets, expected);

	for (char *batch_text = strtok(argv[8], ","); batch_text; batch_text = strtok(NULL, ",")) {
		const uint32_t batch = (uint32_t)atoi(batch_text);
		/* Round 0 warms up and checks; who goes first changes from round to round. */
		for (uint32_t round = 0; round <= rounds; round++)
			for (uint32_t turn = 0; turn < count; turn++) {
				struct entry *e = &entries[(turn + round) % count];
				if (!e->built)
					continue;
				/* What it reads is in the caches again, which the others had for themselves. */
				if (round > 0)
					(void)run(e, batch, answers);
				const double ns = run(e, batch, answers);
				if (round > 0) {
					e->ns[round - 1] = ns;
					continue;
				}
				e->wrong = 0;
				for (uint32_t p = 0; p < e->packets / BLOCK * BLOCK; p++)
					e->wrong += answers[p] != expected[p];
			}
		for (uint32_t i = 0; i < count; i++)
			if (entries[i].built)
				print(&entries[i], rounds, batch);
	}
	return 0;
}
