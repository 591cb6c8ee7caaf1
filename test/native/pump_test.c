/*
 * Real packets through a real queue on lo, in a network namespace of its own: none is lost, each
 * is answered as its rule says, and the pump can be stopped idle and in the midst of traffic.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "fw.h"
#include "netns.h"
#include "sample.h"

enum { QUEUE = 7, BATCH = 64, COPY = 128, DEPTH = 4096, PACKETS = 20000, EACH = 100, IDLE_ROUNDS = 30 };
enum { SWAPS = 200, TRAIN = 8, DATAGRAM = 100, OPTIONS = 512, MOST_OPTIONS = 2040 };

/* The reject's mark is dropped where REJECT would stand, so that its packets can be told. */
static const char rules[] = "*mangle\n"
			    "-A INPUT -i lo -p udp -j NFQUEUE --queue-num 7\n"
			    "COMMIT\n"
			    "*filter\n"
			    "-A INPUT -m mark --mark 0x70000000/0xf0000000 -j DROP\n"
			    "COMMIT\n";

static const char forget_rules[] = "for tool in iptables ip6tables; do "
				   "$tool -t mangle -F INPUT && $tool -F INPUT || exit; done";

static struct sample sample;

static struct fw_engine *new_engine(void)
{
	struct fw_engine *e;

	CHECK(fw_engine_new(sample.bytes, sample.size, &e) == 0);
	return e;
}

static int bind_queue(struct fw_engine *e)
{
	return fw_engine_bind(e, QUEUE, BATCH, COPY, DEPTH, FW_COALESCE_AUTO, 0);
}

static void read_stats(struct fw_engine *e, uint64_t *stats)
{
	CHECK(fw_engine_stats(e, (uint8_t *)stats, FW_STAT_COUNT) == 0);
}

static void pause_ms(long ms)
{
	const struct timespec t = { .tv_nsec = ms * 1000000 };

	nanosleep(&t, NULL);
}

static void *wait_for_end(void *engine)
{
	return (void *)(intptr_t)fw_engine_wait(engine);
}

/* The ports of the sample's rules, and the packets that came through to each. */
enum { PORTS = 4 };
static const uint16_t ports[PORTS] = { 4000, 5000, 6000, 7000 };

struct traffic {
	_Atomic bool stop;
	int receivers[PORTS];
	uint64_t delivered[PORTS];
};

static struct sockaddr_in loopback(uint16_t port)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr = { htonl(INADDR_LOOPBACK) },
	};
}

static void open_receivers(struct traffic *t)
{
	const int room = 1 << 28;

	for (int i = 0; i < PORTS; i++) {
		/* Of IPv4 as well. */
		const struct sockaddr_in6 address = { .sin6_family = AF_INET6,
						      .sin6_port = htons(ports[i]) };
		t->receivers[i] = socket(AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK, 0);
		CHECK(bind(t->receivers[i], (const struct sockaddr *)&address, sizeof address) == 0);
		setsockopt(t->receivers[i], SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
	}
}

static void drain_receivers(struct traffic *t)
{
	char bytes[64];

	for (int i = 0; i < PORTS; i++)
		while (recv(t->receivers[i], bytes, sizeof bytes, 0) >= 0)
			t->delivered[i]++;
}

static void close_receivers(const struct traffic *t)
{
	for (int i = 0; i < PORTS; i++)
		close(t->receivers[i]);
}

static void send_to(int s, uint16_t port, const void *bytes, size_t size)
{
	const struct sockaddr_in to = loopback(port);

	CHECK(sendto(s, bytes, size, 0, (const struct sockaddr *)&to, sizeof to) == (ssize_t)size);
}

static void send_to6(int s, uint16_t port)
{
	const struct sockaddr_in6 to = { .sin6_family = AF_INET6,
					 .sin6_port = htons(port),
					 .sin6_addr = IN6ADDR_LOOPBACK_INIT };

	CHECK(sendto(s, "x", 1, 0, (const struct sockaddr *)&to, sizeof to) == 1);
}

/* From now on packets are queued, and go to the ports if they are accepted. */
static void begin_with(struct fw_engine *e, struct traffic *t)
{
	open_receivers(t);
	CHECK(bind_queue(e) == 0);
	netns_shell("iptables-restore", rules);
	netns_shell("ip6tables-restore", rules);
}

/*
 * Ends what each port was sent `sent` packets in, all of which were queued: those to the first port
 * have come, `times` each, and to no other.
 */
static void end_with(struct fw_engine *e, struct traffic *t, uint64_t sent, uint64_t times,
		     uint64_t *stats)
{
	CHECK(fw_engine_stop(e) == 0);
	CHECK(fw_engine_wait(e) == 0);
	read_stats(e, stats);
	CHECK(stats[FW_STAT_RECEIVED] == sent * PORTS);
	CHECK(stats[FW_STAT_KERNEL_QUEUED] == sent * PORTS);
	CHECK(stats[FW_STAT_REJECTED] == sent);
	CHECK(stats[FW_STAT_KERNEL_WAITING] == 0);
	CHECK(stats[FW_STAT_VERDICT_ERRORS] == 0);
	drain_receivers(t);
	CHECK(t->delivered[0] == sent * times);
	for (int i = 1; i < PORTS; i++)
		CHECK(t->delivered[i] == 0);
	netns_shell(forget_rules, "");
	close_receivers(t);
}

static void *send_traffic(void *argument)
{
	struct traffic *t = argument;
	const int s = socket(AF_INET, SOCK_DGRAM, 0);
	const char bytes[32] = "barrage";

	for (uint32_t i = 0; !atomic_load(&t->stop); i++) {
		const struct sockaddr_in to = loopback(ports[i / 5 % PORTS]);
		sendto(s, bytes, sizeof bytes, 0, (const struct sockaddr *)&to, sizeof to);
	}
	close(s);
	return NULL;
}

static uint64_t sum_of(const uint64_t *stats, enum fw_stat first, enum fw_stat last)
{
	uint64_t sum = 0;

	for (uint32_t s = first; s <= last; s++)
		sum += stats[s];
	return sum;
}

static void stops_during_traffic_with_every_packet_answered(void)
{
	struct traffic traffic = { .stop = false };
	uint64_t stats[FW_STAT_COUNT] = { 0 };
	struct fw_counter counters[SAMPLE_RULES];
	struct fw_engine *e = new_engine();
	pthread_t sender, waiter;
	void *result;

	open_receivers(&traffic);
	CHECK(bind_queue(e) == 0);
	CHECK(fw_queue_owner(QUEUE) == getpid());
	netns_shell("iptables-restore", rules);
	CHECK(fw_engine_start(e) == 0);
	pthread_create(&waiter, NULL, wait_for_end, e);
	pthread_create(&sender, NULL, send_traffic, &traffic);
	while (stats[FW_STAT_RECEIVED] < PACKETS) {
		drain_receivers(&traffic);
		read_stats(e, stats);
		CHECK(fw_engine_counters(e, 0, (uint8_t *)counters, SAMPLE_RULES) == 0);
		CHECK(stats[FW_STAT_RECEIVED] <= stats[FW_STAT_KERNEL_QUEUED]);
	}
	CHECK(fw_engine_free(e) == -EBUSY);
	netns_shell("iptables -t mangle -F INPUT", "");
	CHECK(fw_engine_stop(e) == 0);
	pthread_join(waiter, &result);
	CHECK(result == NULL);
	atomic_store(&traffic.stop, true);
	pthread_join(sender, NULL);
	CHECK(fw_queue_owner(QUEUE) == 0);

	read_stats(e, stats);
	const uint64_t received = stats[FW_STAT_RECEIVED];
	CHECK(received == stats[FW_STAT_ACCEPTED] + stats[FW_STAT_DROPPED] + stats[FW_STAT_REJECTED]);
	CHECK(received == stats[FW_STAT_KERNEL_QUEUED]);
	CHECK(stats[FW_STAT_KERNEL_WAITING] == 0);
	CHECK(stats[FW_STAT_VERDICT_ERRORS] == 0);
	CHECK(stats[FW_STAT_USER_DROPPED] == 0);
	CHECK(stats[FW_STAT_BATCHES] == stats[FW_STAT_SENDS]);
	CHECK(sum_of(stats, FW_STAT_BATCH_1, FW_STAT_BATCH_1024) == stats[FW_STAT_BATCHES]);
	CHECK(sum_of(stats, FW_STAT_VERDICT_US_1, FW_STAT_VERDICT_US_MORE) == received);
	struct fw_queue queue;
	CHECK(fw_engine_queues(e, (uint8_t *)&queue, 1) == 0);
	CHECK(queue.number == QUEUE && queue.received == received && queue.waiting == 0);
	CHECK(fw_engine_queues(e, (uint8_t *)&queue, 2) == -EINVAL);

	CHECK(fw_engine_counters(e, 0, (uint8_t *)counters, SAMPLE_RULES) == 0);
	CHECK(counters[0].packets == received);
	CHECK(counters[1].packets == stats[FW_STAT_ACCEPTED]);
	CHECK(counters[2].packets + counters[5].packets == stats[FW_STAT_DROPPED]);
	CHECK(counters[3].packets == stats[FW_STAT_REJECTED]);
	/* `match` before the deciding rule: all but those that an earlier rule decided. */
	CHECK(counters[4].packets == counters[5].packets);
	CHECK(counters[1].bytes == counters[1].packets * (20 + 8 + 32));
	for (int i = 0; i < SAMPLE_RULES; i++)
		CHECK(counters[i].packets > 0);
	close_receivers(&traffic);
	CHECK(fw_engine_free(e) == 0);
}

/* All of the one goes on in the other: the limit's bucket, the set, and when the rules may log. */
static int swap_image(struct fw_engine *e, struct sample *s)
{
	uint32_t carry[FW_LITERAL_COUNT + 1 + SAMPLE_RULES] = { 0 };

	for (uint32_t i = 0; i < FW_LITERAL_COUNT; i++)
		carry[i] = i == FW_LITERAL_LIMIT ? i : FW_NO_RULE;
	for (uint32_t i = 0; i < SAMPLE_RULES; i++)
		carry[FW_LITERAL_COUNT + 1 + i] = i;
	return fw_engine_swap(e, s->bytes, s->size, (const uint8_t *)carry, sizeof carry);
}

static void add_past(struct fw_engine *e, struct fw_counter *sums)
{
	struct fw_counter counters[SAMPLE_RULES];

	CHECK(fw_engine_counters(e, 1, (uint8_t *)counters, SAMPLE_RULES) == 0);
	CHECK(fw_engine_forget(e) == 0);
	for (uint32_t i = 0; i < SAMPLE_RULES; i++)
		sums[i].packets += counters[i].packets;
}

/* Two queues, of which one idles, and images that differ in what becomes of a port. */
static void swaps_tables_during_traffic_with_every_packet_answered_once(void)
{
	static struct sample other;
	struct traffic traffic = { .stop = false };
	uint64_t stats[FW_STAT_COUNT] = { 0 };
	struct fw_counter sums[SAMPLE_RULES] = { 0 };
	struct fw_engine *e = new_engine();
	pthread_t sender;
	uint64_t decided = 0;

	sample_image(&other);
	struct fw_rule *rule = (void *)(other.bytes + other.header.rules_at);
	rule[2].verdict = FW_VERDICT_ACCEPT;
	sample_seal(other.bytes, other.size);
	open_receivers(&traffic);
	CHECK(bind_queue(e) == 0);
	CHECK(fw_engine_bind(e, QUEUE + 1, BATCH, COPY, DEPTH, 0, 0) == 0);
	CHECK(fw_engine_share(e, 2, 0) == 0);
	netns_shell("iptables-restore", rules);
	/* One that is not started yet can be given others, too. */
	CHECK(swap_image(e, &other) == 0);
	CHECK(swap_image(e, &sample) == -EBUSY);
	add_past(e, sums);
	CHECK(fw_engine_swap(e, other.bytes, other.size, NULL, 0) == -EINVAL);
	CHECK(fw_engine_start(e) == 0);
	pthread_create(&sender, NULL, send_traffic, &traffic);
	for (uint32_t i = 0; i < SWAPS || stats[FW_STAT_RECEIVED] < PACKETS; i++) {
		CHECK(swap_image(e, i % 2 ? &other : &sample) == 0);
		add_past(e, sums);
		drain_receivers(&traffic);
		read_stats(e, stats);
		CHECK(stats[FW_STAT_RECEIVED] <= stats[FW_STAT_KERNEL_QUEUED]);
	}
	netns_shell("iptables -t mangle -F INPUT", "");
	CHECK(fw_engine_stop(e) == 0);
	CHECK(fw_engine_wait(e) == 0);
	atomic_store(&traffic.stop, true);
	pthread_join(sender, NULL);
	/* Nor does it matter that the pumps have ended. */
	CHECK(swap_image(e, &other) == 0);
	add_past(e, sums);

	read_stats(e, stats);
	for (uint32_t i = 0; i < SAMPLE_RULES; i++)
		decided += i == 0 || i == 4 ? 0 : sums[i].packets;
	CHECK(stats[FW_STAT_RECEIVED] == stats[FW_STAT_KERNEL_QUEUED]);
	CHECK(stats[FW_STAT_RECEIVED] ==
	      stats[FW_STAT_ACCEPTED] + stats[FW_STAT_DROPPED] + stats[FW_STAT_REJECTED]);
	CHECK(decided == stats[FW_STAT_RECEIVED]);
	CHECK(sums[0].packets == stats[FW_STAT_RECEIVED]);
	CHECK(stats[FW_STAT_ACCEPTED] > sums[1].packets);
	CHECK(stats[FW_STAT_ACCEPTED] < sums[1].packets + sums[2].packets);
	CHECK(stats[FW_STAT_KERNEL_WAITING] == 0);
	CHECK(stats[FW_STAT_VERDICT_ERRORS] == 0);
	close_receivers(&traffic);
	netns_shell("iptables -F INPUT", "");
	CHECK(fw_engine_free(e) == 0);
}

/* Several batches wait in the queue when the pump is started, and at once told to stop. */
static void what_was_queued_before_the_stop_goes_where_its_rule_says(void)
{
	struct traffic traffic = { .stop = false };
	uint64_t stats[FW_STAT_COUNT] = { 0 };
	struct fw_engine *e = new_engine();
	const int s = socket(AF_INET, SOCK_DGRAM, 0);

	begin_with(e, &traffic);
	for (uint32_t i = 0; i < EACH * PORTS; i++)
		send_to(s, ports[i % PORTS], "x", 1);
	close(s);
	read_stats(e, stats);
	CHECK(stats[FW_STAT_KERNEL_WAITING] == EACH * PORTS);
	CHECK(fw_engine_start(e) == 0);
	end_with(e, &traffic, EACH, 1, stats);
	CHECK(fw_engine_free(e) == 0);
}

/* Datagrams that are sent together come together, and past the copy range. */
static void a_train_is_one_packet_and_goes_as_a_whole_where_its_rule_says(void)
{
	struct traffic traffic = { .stop = false };
	uint64_t stats[FW_STAT_COUNT] = { 0 };
	struct fw_counter counters[SAMPLE_RULES];
	struct fw_engine *e = new_engine();
	const int s = socket(AF_INET, SOCK_DGRAM, 0), size = DATAGRAM;
	const char bytes[TRAIN * DATAGRAM] = "barrage";

	CHECK(setsockopt(s, SOL_UDP, UDP_SEGMENT, &size, sizeof size) == 0);
	begin_with(e, &traffic);
	CHECK(fw_engine_start(e) == 0);
	for (uint32_t i = 0; i < EACH * PORTS; i++)
		send_to(s, ports[i % PORTS], bytes, sizeof bytes);
	close(s);
	end_with(e, &traffic, EACH, TRAIN, stats);
	CHECK(stats[FW_STAT_QUEUED_AGAIN] == 0);
	CHECK(fw_engine_counters(e, 0, (uint8_t *)counters, SAMPLE_RULES) == 0);
	CHECK(counters[1].packets == EACH);
	CHECK(counters[1].bytes == EACH * (20 + 8 + sizeof bytes));
	CHECK(fw_engine_free(e) == 0);
}

/* Lets the packets of a socket have so many bytes of a header of options, of which nobody knows any. */
static void put_options(int s, int name, uint32_t size)
{
	uint8_t header[MOST_OPTIONS] = { 0, (uint8_t)(size / 8 - 1) };

	for (uint32_t at = 2, whole; at < size; at += whole) {
		whole = size - at < 255 ? size - at : 255;
		header[at] = 0x1e; /* one to be skipped */
		header[at + 1] = (uint8_t)(whole - 2);
	}
	CHECK(setsockopt(s, IPPROTO_IPV6, name, header, size) == 0);
}

/* In the midst of others, which come with no more than before. */
static void a_packet_with_longer_headers_than_are_copied_goes_where_its_rule_says(void)
{
	struct traffic traffic = { .stop = false };
	uint64_t stats[FW_STAT_COUNT] = { 0 };
	struct fw_engine *e = new_engine();
	const int plain = socket(AF_INET, SOCK_DGRAM, 0), deep = socket(AF_INET6, SOCK_DGRAM, 0);

	put_options(deep, IPV6_DSTOPTS, OPTIONS);
	begin_with(e, &traffic);
	CHECK(fw_engine_start(e) == 0);
	for (uint32_t i = 0; i < EACH * PORTS; i++) {
		send_to(plain, ports[i % PORTS], "x", 1);
		send_to6(deep, ports[i % PORTS]);
	}
	close(plain);
	close(deep);
	end_with(e, &traffic, 2 * EACH, 1, stats);
	CHECK(stats[FW_STAT_QUEUED_AGAIN] > 0 && stats[FW_STAT_QUEUED_AGAIN] <= EACH * PORTS);
	CHECK(fw_engine_free(e) == 0);
}

static void a_packet_with_longer_headers_than_are_ever_copied_is_malformed(void)
{
	struct traffic traffic = { .stop = false };
	uint64_t stats[FW_STAT_COUNT] = { 0 };
	struct fw_engine *e = new_engine();
	const int deep = socket(AF_INET6, SOCK_DGRAM, 0);

	put_options(deep, IPV6_HOPOPTS, MOST_OPTIONS);
	put_options(deep, IPV6_DSTOPTS, MOST_OPTIONS);
	begin_with(e, &traffic);
	CHECK(fw_engine_start(e) == 0);
	send_to6(deep, ports[0]);
	close(deep);
	CHECK(fw_engine_stop(e) == 0);
	CHECK(fw_engine_wait(e) == 0);
	read_stats(e, stats);
	CHECK(stats[FW_STAT_QUEUED_AGAIN] == 1 && stats[FW_STAT_BAD_CUT] == 1);
	CHECK(stats[FW_STAT_RECEIVED] == 1 && stats[FW_STAT_DROPPED] == 1);
	CHECK(stats[FW_STAT_KERNEL_QUEUED] == 1 && stats[FW_STAT_VERDICT_ERRORS] == 0);
	netns_shell(forget_rules, "");
	close_receivers(&traffic);
	CHECK(fw_engine_free(e) == 0);
}

static void stops_idle_at_once(void)
{
	struct timespec before, after;

	clock_gettime(CLOCK_MONOTONIC, &before);
	for (int i = 0; i < IDLE_ROUNDS; i++) {
		struct fw_engine *e = new_engine();
		CHECK(bind_queue(e) == 0);
		CHECK(fw_engine_start(e) == 0);
		if (i % 2)
			pause_ms(1);
		CHECK(fw_engine_stop(e) == 0);
		CHECK(fw_engine_stop(e) == 0);
		CHECK(fw_engine_wait(e) == 0);
		CHECK(fw_engine_wait(e) == 0);
		CHECK(fw_engine_free(e) == 0);
	}
	clock_gettime(CLOCK_MONOTONIC, &after);
	/* One that had to wait for the socket's patience to end would take seconds. */
	CHECK(after.tv_sec - before.tv_sec < 3);
}

static void misuse_is_refused(void)
{
	struct fw_engine *e = new_engine();
	struct fw_engine *second = new_engine();

	CHECK(fw_engine_start(e) == -EINVAL);
	CHECK(fw_engine_bind(e, 65536, BATCH, COPY, DEPTH, 0, 0) == -EINVAL);
	CHECK(fw_engine_bind(e, QUEUE, 0, COPY, DEPTH, 0, 0) == -EINVAL);
	CHECK(fw_engine_bind(e, QUEUE, 1025, COPY, DEPTH, 0, 0) == -EINVAL);
	CHECK(fw_engine_bind(e, QUEUE, BATCH, 63, DEPTH, 0, 0) == -EINVAL);
	CHECK(fw_engine_bind(e, QUEUE, BATCH, COPY, 65536, 0, 0) == -EINVAL);
	CHECK(fw_engine_bind(e, QUEUE, BATCH, COPY, DEPTH, 1001, 0) == -EINVAL);
	CHECK(fw_queue_owner(QUEUE) == 0);
	CHECK(bind_queue(e) == 0);
	CHECK(bind_queue(second) == -EBUSY);
	CHECK(fw_engine_bind(second, QUEUE + 1, 1024, 65535, 65535, 0, 1) == 0);
	CHECK(fw_engine_start(e) == 0);
	CHECK(fw_engine_start(e) == -EINVAL);
	CHECK(fw_engine_bind(e, QUEUE + 2, BATCH, COPY, DEPTH, 0, 0) == -EINVAL);
	CHECK(fw_engine_counters(e, 0, NULL, SAMPLE_RULES + 1) == -EINVAL);
	CHECK(fw_engine_stats(e, NULL, 1) == -EINVAL);
	CHECK(fw_engine_free(e) == -EBUSY);
	CHECK(fw_engine_stop(e) == 0);
	CHECK(fw_engine_wait(e) == 0);
	CHECK(fw_engine_free(e) == 0);
	CHECK(fw_engine_free(second) == 0);
}

/* Whether the queue is held or not, who may not bind is told so. */
static void binding_needs_the_capability(void)
{
	struct fw_engine *e = new_engine();

	for (int held = 0; held <= 1; held++) {
		const pid_t child = fork();
		if (child == 0) {
			struct fw_engine *other = new_engine();
			CHECK(setuid(65534) == 0);
			CHECK(bind_queue(other) == -EPERM);
			CHECK(fw_engine_free(other) == 0);
			_exit(0);
		}
		int status;
		CHECK(waitpid(child, &status, 0) == child && status == 0);
		CHECK(held || bind_queue(e) == 0);
	}
	CHECK(fw_engine_free(e) == 0);
}

int main(void)
{
	sample_image(&sample);
	netns_enter();
	struct fw_engine *e = new_engine();
	const int error = bind_queue(e);
	fw_engine_free(e);
	if (error == -EPROTONOSUPPORT)
		netns_skip("the kernel has no NFQUEUE");
	CHECK(error == 0);
	binding_needs_the_capability();
	misuse_is_refused();
	stops_idle_at_once();
	what_was_queued_before_the_stop_goes_where_its_rule_says();
	a_train_is_one_packet_and_goes_as_a_whole_where_its_rule_says();
	a_packet_with_longer_headers_than_are_copied_goes_where_its_rule_says();
	a_packet_with_longer_headers_than_are_ever_copied_is_malformed();
	stops_during_traffic_with_every_packet_answered();
	netns_shell("iptables -F INPUT", "");
	swaps_tables_during_traffic_with_every_packet_answered_once();
	return 0;
}
