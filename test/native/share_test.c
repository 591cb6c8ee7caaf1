/*
 * Ten million packets get the same decisions, and counters, from a decider with a pool as from one
 * without: for every number of workers, size of batch and split, behind a flow cache and without.
 * Whatever can be shared is shared, worth it or not, and there are as many threads as workers,
 * however few the cores.
 */
#include <sched.h>
#include <string.h>

#include "check.h"
#include "decide.h"
#include "sample.h"

#ifdef __SANITIZE_THREAD__
enum { PACKETS_IN_ALL = 1000000 }; /* it is slow, and looks at how, not at what */
#else
enum { PACKETS_IN_ALL = 10000000 };
#endif
enum { PACKET_COUNT = 4096, PACKET_SIZE = 44, RUNS = PACKETS_IN_ALL / (2 * 4 * 6), MAX_BATCH = 1024 };

/* In place of the library's, see the Makefile. */
bool __real_fw_pool_run(struct fw_pool *p, const struct fw_job *job);
bool __wrap_fw_pool_run(struct fw_pool *p, const struct fw_job *job);
int __wrap_pthread_getaffinity_np(pthread_t thread, size_t size, cpu_set_t *set);
uint32_t __wrap_fw_quota_cores(void);

static uint32_t shared_jobs;

bool __wrap_fw_pool_run(struct fw_pool *p, const struct fw_job *job)
{
	struct fw_job forced = *job;

	forced.size = 0;
	const bool shared = __real_fw_pool_run(p, &forced);
	shared_jobs += shared;
	return shared;
}

int __wrap_pthread_getaffinity_np(pthread_t thread, size_t size, cpu_set_t *set)
{
	(void)thread;
	(void)size;
	CPU_ZERO(set);
	for (uint32_t core = 0; core < 4; core++)
		CPU_SET(core, set);
	return 0;
}

uint32_t __wrap_fw_quota_cores(void)
{
	return UINT32_MAX;
}

static const uint32_t batches[6] = { 1, 31, 64, 129, 512, MAX_BATCH };

static void make_packets(uint8_t (*bytes)[PACKET_SIZE], struct fw_seen *seen, uint64_t *seed)
{
	for (uint32_t i = 0; i < PACKET_COUNT; i++) {
		uint8_t *p = bytes[i];
		for (uint32_t b = 0; b < PACKET_SIZE; b++)
			p[b] = (uint8_t)random_below(seed, 256);
		p[0] = random_below(seed, 50) ? 0x45 : 0; /* some are malformed */
		p[2] = p[6] = p[7] = 0;
		p[3] = PACKET_SIZE;
		p[9] = random_below(seed, 2) ? FW_PROTO_UDP : FW_PROTO_TCP;
		p[32] = 0x50; /* of TCP: where its data begin */
		p[24] = 0; /* of UDP: its length */
		p[25] = PACKET_SIZE - 20;
		seen[i] = (struct fw_seen){ .bytes = p,
					    .captured = PACKET_SIZE,
					    .length = PACKET_SIZE,
					    .mark = (uint32_t)next_random(seed),
					    .hook = random_below(seed, FW_HOOK_COUNT) };
	}
}

static void compare(const struct fw_tables *t, const struct fw_seen *seen, uint32_t workers,
		    uint32_t batch, bool by_rules)
{
	static struct fw_decision alone[MAX_BATCH], together[MAX_BATCH];
	struct fw_decider one, many;
	struct fw_dynamic *dynamic;

	CHECK(fw_dynamic_new(t, &dynamic) == 0);
	CHECK(fw_decider_init(&one, t, dynamic, batch) == 0);
	CHECK(fw_decider_init(&many, t, dynamic, batch) == 0);
	CHECK(fw_decider_share(&many, workers, 1, by_rules) == 0);
	shared_jobs = 0;
	for (uint32_t done = 0; done < RUNS; done += batch) {
		const struct fw_seen *packets = seen + done % (PACKET_COUNT - batch + 1);
		fw_decide(&one, packets, batch, alone);
		fw_decide(&many, packets, batch, together);
		CHECK(memcmp(alone, together, batch * sizeof *alone) == 0);
	}
	const bool can_be_cut = batch > 32 || (by_rules && fw_parts(t) > 1);
	/* A batch that the cache knows, or of malformed packets, is not worth its threads. */
	const uint32_t most = workers > 1 && can_be_cut ? (RUNS + batch - 1) / batch : 0;
	CHECK(shared_jobs <= most && shared_jobs >= most * 9 / 10);
	CHECK(memcmp(one.counts->stats, many.counts->stats, sizeof one.counts->stats) == 0);
	CHECK(memcmp(one.counts->rules, many.counts->rules,
		     one.counts->rule_count * sizeof *one.counts->rules) == 0);
	fw_decider_clear(&one);
	fw_decider_clear(&many);
	fw_dynamic_free(dynamic);
}

int main(void)
{
	static struct sample sample;
	static uint8_t bytes[PACKET_COUNT][PACKET_SIZE];
	static struct fw_seen seen[PACKET_COUNT];
	uint64_t seed = 1;
	uint32_t tables = 0;

	make_packets(bytes, seen, &seed);
	for (uint32_t workers = 1; workers <= 4; workers++)
		for (uint32_t b = 0; b < 6; b++) {
			struct fw_tables *t;
			if (tables++ % 2)
				sample_random(&sample, &seed);
			else
				sample_image(&sample);
			sample_flow_cache(&sample, b % 3 ? 0 : 1u << b * 2);
			CHECK(fw_tables_new(sample.bytes, sample.size, &t) == 0);
			compare(t, seen, workers, batches[b], false);
			compare(t, seen, workers, batches[b], true);
			fw_tables_free(t);
		}
	return 0;
}
