/*
 * fw.h - the whole public interface of libbarrage.so.
 *
 * Conventions, true of every function here:
 *  - returns 0, or a negative errno; outputs are untouched on failure
 *  - pointers are borrowed for the call only: nothing the caller owns is kept
 *  - numbers are in host byte order; packets are bytes as on the wire
 *  - one engine may be used from one thread at a time, save fw_engine_wait(), which blocks on a
 *    thread of its own while the others go on being called
 */
#ifndef FW_H
#define FW_H

#include <stdint.h>

#define FW_EXPORT __attribute__((visibility("default")))

struct fw_engine;

/* FW_LAYOUT_HASH this library was built with; the caller compares it with its own. */
FW_EXPORT uint32_t fw_layout_hash(void);

/*
 * Where in `room` to write an image that is to be taken without a copy: an offset. The room is private
 * memory that was not touched yet, FW_IMAGE_SLACK bytes larger than the image.
 */
FW_EXPORT uint32_t fw_image_place(uint8_t *room, uint32_t size);

/*
 * Checks an image completely and makes an engine of it. One that stands where fw_image_place() said is
 * taken, whatever this returns: the memory is still the caller's, but what it holds is undefined. Any
 * other is copied. The caller owns *out until fw_engine_free().
 * -ENOEXEC: made for another layout; -EBADMSG: not an image, or damaged; -ENOMEM.
 */
FW_EXPORT int32_t fw_engine_new(uint8_t *image, uint32_t size, struct fw_engine **out);

/*
 * Decides `count` struct fw_packet whose bytes lie in `bytes` (`size` of them), into as many
 * struct fw_decision, and counts them. `names` holds name_count interface names of FW_NAME_SIZE
 * bytes; the first is "none" and is all zero. No kernel queue is touched.
 * -EINVAL: an offset, a hook or a name index is out of range; nothing was decided.
 */
FW_EXPORT int32_t fw_engine_replay(struct fw_engine *engine, const uint8_t *packets, uint32_t count,
				   const uint8_t *bytes, uint32_t size, const uint8_t *names,
				   uint32_t name_count, uint8_t *decisions);

/*
 * Lets the tables in force be searched by another evaluator of this library than the best that the
 * processor can run: 0 is the portable one, 1 AVX2's, 2 AVX-512's. For tests, which compare them; between
 * replays. -ENOENT: there is none, or not for this processor; -EINVAL after fw_engine_start().
 */
FW_EXPORT int32_t fw_engine_evaluate_by(struct fw_engine *engine, uint32_t evaluator);

/*
 * Binds one kernel queue (NFQUEUE number 0..65535) of this network namespace; at most 64.
 * batch: packets received and answered at once, 1..1024. copy: bytes of each packet copied to us,
 * 64..65535. depth: packets the kernel may hold, 1..65535. coalesce: microseconds to let packets
 * gather before a receive, 0..1000, or FW_COALESCE_AUTO for when that pays. fail_open: accept
 * unfiltered what overflows the queue. -EPERM: no CAP_NET_ADMIN; -EBUSY: bound by another socket;
 * -EPROTONOSUPPORT: the kernel has no NFQUEUE; -EINVAL; -ENOMEM. Not after fw_engine_start().
 */
FW_EXPORT int32_t fw_engine_bind(struct fw_engine *engine, uint32_t queue, uint32_t batch,
				 uint32_t copy, uint32_t depth, uint32_t coalesce,
				 uint32_t fail_open);

/*
 * Lets `workers` threads classify the batches of each bound queue, its own thread among them; of
 * replays, if no queue is bound. 0: as many as the cores allow; more than that are not started.
 * The work is split by packets, or, unless by_rules is 0, by parts of the rules.
 * Once, after the binding. -EINVAL if more than 64 or not the first time; -EAGAIN; -ENOMEM.
 */
FW_EXPORT int32_t fw_engine_share(struct fw_engine *engine, uint32_t workers,
				  uint32_t by_rules);

/* Starts one thread a bound queue. -EINVAL if none is bound or it was started; -EAGAIN. */
FW_EXPORT int32_t fw_engine_start(struct fw_engine *engine);

/*
 * Blocks until every queue thread has ended: 0 if all were stopped, else the first failure,
 * on which the others are stopped too.
 */
FW_EXPORT int32_t fw_engine_wait(struct fw_engine *engine);

/*
 * Asks the queue threads to answer all that is queued and to end. Returns at once; call it after
 * the kernel has ceased to queue, then fw_engine_wait(). Any number of times.
 */
FW_EXPORT int32_t fw_engine_stop(struct fw_engine *engine);

/*
 * Puts another image in force in the place of the one that is. Each queue thread takes it between two
 * batches; when this returns all have, and no packet was decided by parts of both. `carry` holds
 * 32-bit numbers: for each literal, set and rule of the new image that of the old one whose bucket,
 * members and log it goes on with, or FW_NO_RULE. Totals go on; the old rules' counters and log can
 * still be read as those of the `past`, until fw_engine_forget() frees it.
 * Nothing has changed on failure, save that the image was taken: as fw_engine_new(); -EBUSY: there is a
 * past already; -EINVAL: the carry does not fit the images; -ENOSPC: a set is too small for its members.
 */
FW_EXPORT int32_t fw_engine_swap(struct fw_engine *engine, uint8_t *image, uint32_t size,
				 const uint8_t *carry, uint32_t carry_size);
FW_EXPORT int32_t fw_engine_forget(struct fw_engine *engine);

/* Writes the image in force, if there is room for it; its size. */
FW_EXPORT int32_t fw_engine_image(struct fw_engine *engine, uint8_t *image, uint32_t room);

/*
 * Writes one struct fw_counter a rule in force, or of the past. -EINVAL unless count is that image's
 * rule_count.
 */
FW_EXPORT int32_t fw_engine_counters(struct fw_engine *engine, uint32_t past, uint8_t *counters,
				     uint32_t count);

/* Writes FW_STAT_COUNT totals, see enum fw_stat. -EINVAL if count differs. */
FW_EXPORT int32_t fw_engine_stats(struct fw_engine *engine, uint8_t *totals, uint32_t count);

/* Writes one struct fw_queue a bound queue, in the order of binding. -EINVAL if count differs. */
FW_EXPORT int32_t fw_engine_queues(struct fw_engine *engine, uint8_t *queues, uint32_t count);

/*
 * Takes up to `room` lines of the log in force, or of the past's, oldest of each queue first; how many. A line is a struct fw_log
 * followed by FW_LOG_BYTES bytes, of which `captured` are the packet's.
 */
FW_EXPORT int32_t fw_engine_read_log(struct fw_engine *engine, uint32_t past, uint8_t *lines,
				     uint32_t room);

/*
 * Adds a struct fw_member to a run-time set, or gives it a new time to stay (`left`; 0 is the set's
 * own timeout). -EINVAL: no such set or member; -EPERM: the set is the host's addresses; -ENOSPC:
 * it is full.
 */
FW_EXPORT int32_t fw_engine_set_add(struct fw_engine *engine, uint32_t set, const uint8_t *member);
/* Takes one out. -ENOENT: it was not there; otherwise as fw_engine_set_add(). */
FW_EXPORT int32_t fw_engine_set_del(struct fw_engine *engine, uint32_t set, const uint8_t *member);
/* Writes up to `room` members; how many there are. -EINVAL: no such set; -ENOMEM. */
FW_EXPORT int32_t fw_engine_set_list(struct fw_engine *engine, uint32_t set, uint8_t *members,
				     uint32_t room);

/* Closes the queues and frees the engine. -EBUSY while a queue thread runs. */
FW_EXPORT int32_t fw_engine_free(struct fw_engine *engine);

/* The process id that has `queue` bound, 0 if nobody has or it cannot be told. */
FW_EXPORT int32_t fw_queue_owner(uint32_t queue);

/* Tells the service manager that listens at `address`, see fw_notify_send(). */
FW_EXPORT int32_t fw_notify(const uint8_t *address, uint32_t length, const uint8_t *message,
			    uint32_t size);

#endif
