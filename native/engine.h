/*
 * engine.h - what an engine is made of, for the two files of its interface: fw.c is its life (made,
 * loaded, started, stopped), fw_ask.c what it is asked meanwhile.
 */
#ifndef FW_ENGINE_H
#define FW_ENGINE_H

#include "fw.h"
#include "pump.h"

enum { FW_MAX_QUEUES = 64, FW_REPLAY_BATCH = 256 };

struct fw_engine_queue {
	struct fw_engine *engine;
	struct fw_pump *pump;
	pthread_t thread;
	bool running; /* under the engine's lock */
};

/* What is decided by. Nothing of it but the counters and the log changes once it is in force. */
struct fw_policy {
	struct fw_tables *tables; /* NULL: there is none */
	struct fw_dynamic *dynamic;
	struct fw_counter *sums; /* one a rule, to add counters up in */
	struct fw_decider replay;
	struct fw_decider left[FW_MAX_QUEUES]; /* of a policy in the past: those that the pumps had */
};

struct fw_engine {
	/* Used by the caller's thread; the pumps do not change once started. */
	struct fw_policy policy; /* in force */
	struct fw_policy past; /* the one before, until it is forgotten */
	struct fw_watch watch;
	struct fw_engine_queue queues[FW_MAX_QUEUES];
	uint32_t queue_count;
	uint32_t thread_count; /* to join */
	bool shared;
	bool started;
	/* Shared with the queue threads and with fw_engine_wait(), under the lock. */
	pthread_mutex_t lock;
	pthread_cond_t ended;
	uint32_t running;
	uint32_t waiting;
	int failure; /* the first */
};

#endif
