#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine.h"
#include "thread.h"

enum {
	MAX_BATCH = 1024,
	MIN_COPY = 64,
	MAX_16 = 65535, /* a queue's number, copy range and depth */
	MAX_COALESCE = 1000,
};

/*
 * When the library is opened. Large blocks are to be fresh from the system, and to go back when they are
 * freed. By itself glibc raises what it takes for large to the largest that was ever freed
 * (mallopt(3)), and then keeps tables that are gone, here and in JavaScript: after some hundred reloads,
 * several times what is in use.
 */
__attribute__((constructor)) static void return_large_blocks(void)
{
	(void)mallopt(M_MMAP_THRESHOLD, 128 << 10);
}

uint32_t fw_layout_hash(void)
{
	return FW_LAYOUT_HASH;
}

static void clear_policy(struct fw_policy *p)
{
	if (!p->tables)
		return;
	for (uint32_t i = 0; i < FW_MAX_QUEUES; i++)
		fw_decider_clear(&p->left[i]);
	fw_decider_clear(&p->replay);
	fw_dynamic_free(p->dynamic);
	free(p->sums);
	fw_tables_free(p->tables);
	*p = (struct fw_policy){ 0 };
}

static int load_policy(struct fw_policy *p, uint8_t *image, uint32_t size)
{
	*p = (struct fw_policy){ 0 };
	int error = fw_tables_new(image, size, &p->tables);
	if (error)
		return error;
	error = fw_dynamic_new(p->tables, &p->dynamic);
	if (error)
		goto fail;
	error = -ENOMEM;
	p->sums = calloc(p->tables->header->rule_count, sizeof *p->sums);
	if (!p->sums)
		goto fail;
	return 0;
fail:
	clear_policy(p);
	return error;
}

int32_t fw_engine_new(uint8_t *image, uint32_t size, struct fw_engine **out)
{
	struct fw_engine *e = calloc(1, sizeof *e);

	if (!e)
		return -ENOMEM;
	pthread_mutex_init(&e->lock, NULL);
	pthread_cond_init(&e->ended, NULL);
	struct fw_policy *p = &e->policy;
	int error = load_policy(p, image, size);
	if (error)
		goto fail;
	error = fw_decider_init(&p->replay, p->tables, p->dynamic, FW_REPLAY_BATCH);
	if (error)
		goto fail;
	*out = e;
	return 0;
fail:
	fw_engine_free(e);
	return error;
}

int32_t fw_engine_free(struct fw_engine *e)
{
	pthread_mutex_lock(&e->lock);
	const bool busy = e->running > 0 || e->waiting > 0;
	pthread_mutex_unlock(&e->lock);
	if (busy)
		return -EBUSY;
	for (uint32_t i = 0; i < e->thread_count; i++)
		pthread_join(e->queues[i].thread, NULL);
	fw_watch_stop(&e->watch);
	for (uint32_t i = 0; i < e->queue_count; i++)
		fw_pump_free(e->queues[i].pump);
	clear_policy(&e->past);
	clear_policy(&e->policy);
	pthread_cond_destroy(&e->ended);
	pthread_mutex_destroy(&e->lock);
	free(e);
	return 0;
}

/* A decider of the new policy for each there is, one that nobody has yet. */
static int make_deciders(struct fw_engine *e, struct fw_policy *p)
{
	int error = fw_decider_like(&p->replay, &e->policy.replay, p->tables, p->dynamic);

	for (uint32_t i = 0; i < e->queue_count && !error; i++)
		error = fw_decider_like(&p->left[i], fw_pump_decider(e->queues[i].pump), p->tables,
					p->dynamic);
	return error;
}

/* Until a pump has taken what it was offered: as long as a batch takes. One that has ended never does. */
static void wait_until_taken(struct fw_engine *e, struct fw_engine_queue *q)
{
	const struct timespec pause = { .tv_nsec = 20000 };

	while (!fw_pump_has_taken(q->pump)) {
		pthread_mutex_lock(&e->lock);
		const bool running = q->running;
		pthread_mutex_unlock(&e->lock);
		if (running)
			nanosleep(&pause, NULL);
		else
			fw_pump_take(q->pump);
	}
}

int32_t fw_engine_swap(struct fw_engine *e, uint8_t *image, uint32_t size,
		       const uint8_t *carry, uint32_t carry_size)
{
	struct fw_policy next;
	uint32_t *numbers = NULL;

	if (e->past.tables)
		return -EBUSY;
	int error = load_policy(&next, image, size);
	if (error)
		return error;
	const struct fw_header *h = next.tables->header;
	const uint64_t count = (uint64_t)h->literal_count + h->set_count + h->rule_count;
	error = -EINVAL;
	if (carry_size != count * sizeof *numbers)
		goto fail;
	error = make_deciders(e, &next);
	if (error)
		goto fail;
	error = -ENOMEM;
	numbers = malloc(carry_size);
	if (!numbers)
		goto fail;
	memcpy(numbers, carry, carry_size);
	/* Last: from here on both share what they have in common. */
	error = fw_dynamic_carry(next.dynamic, e->policy.dynamic,
				 &(struct fw_carry){
					 .literals = numbers,
					 .sets = numbers + h->literal_count,
					 .rules = numbers + h->literal_count + h->set_count,
				 });
	free(numbers);
	if (error)
		goto fail;
	for (uint32_t i = 0; i < e->queue_count; i++)
		fw_pump_offer(e->queues[i].pump, &next.left[i]);
	for (uint32_t i = 0; i < e->queue_count; i++)
		wait_until_taken(e, &e->queues[i]);
	fw_decider_succeed(&next.replay, &e->policy.replay);
	e->past = e->policy;
	memcpy(e->past.left, next.left, sizeof next.left);
	memset(next.left, 0, sizeof next.left);
	e->policy = next;
	return 0;
fail:
	clear_policy(&next);
	return error;
}

int32_t fw_engine_forget(struct fw_engine *e)
{
	clear_policy(&e->past);
	return 0;
}

int32_t fw_engine_evaluate_by(struct fw_engine *e, uint32_t evaluator)
{
	const struct fw_evaluator *const all[] = {
		&fw_evaluator_portable,
		fw_evaluator_avx2(),
		fw_evaluator_avx512(),
	};

	if (e->started)
		return -EINVAL;
	if (evaluator >= sizeof all / sizeof *all || !all[evaluator])
		return -ENOENT;
	e->policy.tables->evaluator = all[evaluator];
	return 0;
}

int32_t fw_engine_bind(struct fw_engine *e, uint32_t queue, uint32_t batch, uint32_t copy,
		       uint32_t depth, uint32_t coalesce, uint32_t fail_open)
{
	const struct fw_queue_options options = {
		queue, batch, copy, depth, coalesce, fail_open != 0,
	};

	if (e->started || e->queue_count == FW_MAX_QUEUES || queue > MAX_16 || batch < 1 ||
	    batch > MAX_BATCH || copy < MIN_COPY || copy > MAX_16 || depth < 1 || depth > MAX_16 ||
	    (coalesce > MAX_COALESCE && coalesce != FW_COALESCE_AUTO))
		return -EINVAL;
	struct fw_engine_queue *q = &e->queues[e->queue_count];
	const int error = fw_pump_new(e->policy.tables, e->policy.dynamic, &e->watch, &options, &q->pump);
	if (error)
		return error;
	q->engine = e;
	e->queue_count++;
	return 0;
}

int32_t fw_engine_share(struct fw_engine *e, uint32_t workers, uint32_t by_rules)
{
	if (e->shared || e->started || workers > FW_POOL_MAX_THREADS)
		return -EINVAL;
	e->shared = true;
	if (e->queue_count == 0)
		return fw_decider_share(&e->policy.replay, workers, 1, by_rules != 0);
	for (uint32_t i = 0; i < e->queue_count; i++) {
		const int error = fw_pump_share(e->queues[i].pump, workers, e->queue_count,
						by_rules != 0);
		if (error)
			return error;
	}
	return 0;
}

static void stop_all(struct fw_engine *e)
{
	for (uint32_t i = 0; i < e->queue_count; i++)
		fw_pump_stop(e->queues[i].pump);
}

static void *queue_main(void *argument)
{
	struct fw_engine_queue *q = argument;
	struct fw_engine *e = q->engine;
	const int error = fw_pump_run(q->pump);

	if (error)
		stop_all(e);
	pthread_mutex_lock(&e->lock);
	if (!e->failure)
		e->failure = error;
	q->running = false;
	e->running--;
	pthread_cond_broadcast(&e->ended);
	pthread_mutex_unlock(&e->lock);
	return NULL;
}

static int start_queue(struct fw_engine *e, struct fw_engine_queue *q)
{
	pthread_mutex_lock(&e->lock);
	q->running = true;
	e->running++;
	pthread_mutex_unlock(&e->lock);
	const int error = fw_thread_start(&q->thread, "barrage/queue", queue_main, q);
	if (!error) {
		e->thread_count++;
		return 0;
	}
	pthread_mutex_lock(&e->lock);
	q->running = false;
	e->running--;
	pthread_mutex_unlock(&e->lock);
	return error;
}

int32_t fw_engine_start(struct fw_engine *e)
{
	if (e->started || e->queue_count == 0)
		return -EINVAL;
	int error = fw_watch_start(&e->watch);
	if (error)
		return error;
	e->started = true;
	for (uint32_t i = 0; i < e->queue_count; i++) {
		error = start_queue(e, &e->queues[i]);
		if (error) {
			stop_all(e);
			fw_engine_wait(e);
			return error;
		}
	}
	return 0;
}

int32_t fw_engine_wait(struct fw_engine *e)
{
	pthread_mutex_lock(&e->lock);
	e->waiting++;
	while (e->running > 0)
		pthread_cond_wait(&e->ended, &e->lock);
	e->waiting--;
	const int failure = e->failure;
	pthread_mutex_unlock(&e->lock);
	return failure;
}

int32_t fw_engine_stop(struct fw_engine *e)
{
	stop_all(e);
	return 0;
}
