#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "notify.h"
#include "proc.h"

/* One packet of a replay; the caller's buffers need not be aligned. */
static struct fw_packet packet_at(const uint8_t *packets, uint32_t i)
{
	struct fw_packet p;

	memcpy(&p, packets + (size_t)i * sizeof p, sizeof p);
	return p;
}

static bool packet_ok(const struct fw_packet *p, uint32_t size, uint32_t name_count)
{
	return p->at <= size && p->captured <= size - p->at && p->captured <= p->length &&
	       p->hook < FW_HOOK_COUNT && p->in < name_count && p->out < name_count;
}

int32_t fw_engine_image(struct fw_engine *e, uint8_t *image, uint32_t room)
{
	const struct fw_header *h = e->policy.tables->header;

	if (h->size <= room)
		memcpy(image, h, h->size);
	return (int32_t)h->size;
}

int32_t fw_engine_replay(struct fw_engine *e, const uint8_t *packets, uint32_t count,
			 const uint8_t *bytes, uint32_t size, const uint8_t *names,
			 uint32_t name_count, uint8_t *decisions)
{
	struct fw_seen seen[FW_REPLAY_BATCH];
	struct fw_decision decided[FW_REPLAY_BATCH];

	for (uint32_t i = 0; i < count; i++) {
		const struct fw_packet p = packet_at(packets, i);
		if (!packet_ok(&p, size, name_count))
			return -EINVAL;
	}
	for (uint32_t first = 0, n; first < count; first += n) {
		n = count - first < FW_REPLAY_BATCH ? count - first : FW_REPLAY_BATCH;
		for (uint32_t i = 0; i < n; i++) {
			const struct fw_packet p = packet_at(packets, first + i);
			seen[i] = (struct fw_seen){
				.bytes = bytes + p.at,
				.captured = p.captured,
				.length = p.length,
				.mark = p.mark,
				.hook = p.hook,
				.uid = p.uid,
				.gid = p.gid,
				.mac = p.mac,
				.time = p.time,
				.in = fw_in_class(e->policy.tables, names + p.in * FW_NAME_SIZE),
				.out = fw_out_class(e->policy.tables, names + p.out * FW_NAME_SIZE),
			};
		}
		fw_decide(&e->policy.replay, seen, n, decided);
		memcpy(decisions + (size_t)first * sizeof *decided, decided, n * sizeof *decided);
	}
	return 0;
}

/* The i-th decider of a policy: one a queue, and the replays' last. NULL: there are no more. */
static struct fw_decider *decider_of(struct fw_engine *e, bool past, uint32_t i)
{
	struct fw_policy *p = past ? &e->past : &e->policy;

	if (!p->tables || i > e->queue_count)
		return NULL;
	if (i == e->queue_count)
		return &p->replay;
	return past ? &p->left[i] : fw_pump_decider(e->queues[i].pump);
}

int32_t fw_engine_counters(struct fw_engine *e, uint32_t past, uint8_t *counters, uint32_t count)
{
	const struct fw_policy *p = past ? &e->past : &e->policy;
	const struct fw_decider *d;

	if (!p->tables || count != p->tables->header->rule_count)
		return -EINVAL;
	memset(p->sums, 0, count * sizeof *p->sums);
	for (uint32_t i = 0; (d = decider_of(e, past, i)); i++)
		fw_counts_add_rules(d->counts, p->sums);
	memcpy(counters, p->sums, count * sizeof *p->sums);
	return 0;
}

int32_t fw_engine_stats(struct fw_engine *e, uint8_t *totals, uint32_t count)
{
	uint64_t sums[FW_STAT_COUNT] = { 0 };

	if (count != FW_STAT_COUNT)
		return -EINVAL;
	fw_counts_add_stats(e->policy.replay.counts, sums);
	for (uint32_t i = 0; i < e->queue_count; i++)
		fw_pump_add_stats(e->queues[i].pump, sums);
	memcpy(totals, sums, sizeof sums);
	return 0;
}

int32_t fw_engine_queues(struct fw_engine *e, uint8_t *queues, uint32_t count)
{
	if (count != e->queue_count)
		return -EINVAL;
	for (uint32_t i = 0; i < count; i++) {
		const struct fw_queue q = fw_pump_queue(e->queues[i].pump);
		memcpy(queues + (size_t)i * sizeof q, &q, sizeof q);
	}
	return 0;
}

static bool take_log(struct fw_engine *e, bool past, union fw_log_slot *slot)
{
	struct fw_decider *d;

	for (uint32_t i = 0; (d = decider_of(e, past, i)); i++)
		if (fw_decider_take_log(d, slot))
			return true;
	return false;
}

/* The name that an interface has now, zero-padded. */
static void name_interface(uint32_t index, uint64_t *words)
{
	char name[IF_NAMESIZE] = { 0 };

	if (index && if_indextoname(index, name))
		memcpy(words, name, sizeof name);
}

int32_t fw_engine_read_log(struct fw_engine *e, uint32_t past, uint8_t *lines, uint32_t room)
{
	union fw_log_slot slot;
	uint32_t count = 0;

	for (; count < room && take_log(e, past, &slot); count++) {
		name_interface(slot.line.log.in, &slot.line.log.in_0);
		name_interface(slot.line.log.out, &slot.line.log.out_0);
		memcpy(lines + (size_t)count * sizeof slot, &slot, sizeof slot);
	}
	return (int32_t)count;
}

static struct fw_member member_at(const uint8_t *bytes)
{
	struct fw_member m;

	memcpy(&m, bytes, sizeof m);
	return m;
}

int32_t fw_engine_set_add(struct fw_engine *e, uint32_t set, const uint8_t *member)
{
	const struct fw_member m = member_at(member);

	return fw_dynamic_add(e->policy.dynamic, set, &m);
}

int32_t fw_engine_set_del(struct fw_engine *e, uint32_t set, const uint8_t *member)
{
	const struct fw_member m = member_at(member);

	return fw_dynamic_del(e->policy.dynamic, set, &m);
}

int32_t fw_engine_set_list(struct fw_engine *e, uint32_t set, uint8_t *members, uint32_t room)
{
	struct fw_member *list = calloc(room + 1, sizeof *list);

	if (!list)
		return -ENOMEM;
	const int64_t count = fw_dynamic_list(e->policy.dynamic, set, list, room);
	if (count > 0)
		memcpy(members, list, (count < room ? (size_t)count : room) * sizeof *list);
	free(list);
	return (int32_t)count;
}

int32_t fw_queue_owner(uint32_t queue)
{
	return fw_proc_owner(queue);
}

int32_t fw_notify(const uint8_t *address, uint32_t length, const uint8_t *message, uint32_t size)
{
	return fw_notify_send(address, length, message, size);
}
