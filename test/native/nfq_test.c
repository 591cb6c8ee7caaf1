/*
 * Messages to and from the kernel's queue. Answers are played to a model of the queue that does
 * what the kernel does, and every packet must get the answer that was meant for it.
 */
#include "nfq.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <string.h>

#include "check.h"
#include "layout.h"

enum { QUEUE = 513, COPY = 128, MOST = 1024, ROUNDS = 2000 };

static const struct fw_queue_options options = { .queue = QUEUE, .copy = COPY };

/* The kernel's side: what is still queued, and what became of it. */
struct model {
	uint32_t first_id;
	uint32_t n;
	bool queued[MOST];
	struct fw_answer got[MOST];
	uint32_t messages;
	uint32_t copy;
};

static void play_config(struct model *m, const struct nlmsghdr *message)
{
	const struct nlattr *attr = mnl_nlmsg_get_payload_offset(message, sizeof(struct nfgenmsg));
	const struct nfqnl_msg_config_params *params = mnl_attr_get_payload(attr);
	const char *end = mnl_nlmsg_get_payload_tail(message);

	CHECK(mnl_attr_ok(attr, (int)(end - (const char *)attr)));
	CHECK(mnl_attr_get_type(attr) == NFQA_CFG_PARAMS);
	CHECK(mnl_attr_get_payload_len(attr) == sizeof *params);
	CHECK(params->copy_mode == NFQNL_COPY_PACKET);
	m->copy = ntohl(params->copy_range);
}

static void play_verdict(struct model *m, const struct nlmsghdr *message)
{
	const bool batch = (message->nlmsg_type & 0xff) == NFQNL_MSG_VERDICT_BATCH;
	struct fw_answer answer = { 0 };
	const struct nlattr *attr = mnl_nlmsg_get_payload_offset(message, sizeof(struct nfgenmsg));
	const char *end = mnl_nlmsg_get_payload_tail(message);

	CHECK(message->nlmsg_type >> 8 == NFNL_SUBSYS_QUEUE);
	CHECK(batch || (message->nlmsg_type & 0xff) == NFQNL_MSG_VERDICT);
	CHECK(message->nlmsg_flags == NLM_F_REQUEST);
	for (; (const char *)attr < end; attr = mnl_attr_next(attr)) {
		CHECK(mnl_attr_ok(attr, (int)(end - (const char *)attr)));
		if (mnl_attr_get_type(attr) == NFQA_VERDICT_HDR) {
			const struct nfqnl_msg_verdict_hdr *v = mnl_attr_get_payload(attr);
			answer.id = ntohl(v->id);
			answer.accept = ntohl(v->verdict) == NF_ACCEPT;
			answer.again = ntohl(v->verdict) == NF_QUEUE_NR(QUEUE);
			CHECK(answer.accept || answer.again || ntohl(v->verdict) == NF_DROP);
			/* No other packet is queued with more than the copy range. */
			CHECK(m->copy == (answer.again ? FW_COPY_AGAIN : COPY));
			CHECK(!batch || !answer.again);
		} else {
			CHECK(mnl_attr_get_type(attr) == NFQA_MARK);
			answer.marked = true;
			answer.mark = ntohl(mnl_attr_get_u32(attr));
		}
	}
	for (uint32_t i = 0; i < m->n; i++) {
		/* As the kernel compares ids, which wrap. */
		const int32_t after = (int32_t)(m->first_id + i - answer.id);
		if (!m->queued[i] || (batch ? after > 0 : after != 0))
			continue;
		m->queued[i] = false;
		m->got[i] = answer;
	}
	m->messages++;
}

static void play(struct model *m, const char *messages, size_t size)
{
	const struct nlmsghdr *message = (const struct nlmsghdr *)(const void *)messages;

	for (int left = (int)size; left > 0; message = mnl_nlmsg_next(message, &left)) {
		CHECK(mnl_nlmsg_ok(message, left));
		const struct nfgenmsg *nfg = mnl_nlmsg_get_payload(message);
		CHECK(ntohs(nfg->res_id) == QUEUE);
		if (message->nlmsg_type == (NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_CONFIG))
			play_config(m, message);
		else
			play_verdict(m, message);
	}
	CHECK(m->copy == COPY);
}

static bool same(const struct fw_answer *a, const struct fw_answer *b)
{
	return a->accept == b->accept && a->again == b->again && a->marked == b->marked && a->mark == b->mark;
}

static void every_packet_gets_its_own_answer(void)
{
	static struct model m;
	static struct fw_answer meant[MOST];
	uint64_t seed = 2;

	for (int round = 0; round < ROUNDS; round++) {
		const uint32_t kinds = 1 + random_below(&seed, 4);
		uint32_t n = 0, run = 0, messages = 0;

		memset(&m, 0, sizeof m);
		m.copy = COPY;
		m.n = 1 + random_below(&seed, round % 100 ? 40 : MOST);
		m.first_id = round % 3 ? 1 + random_below(&seed, 1000) : UINT32_MAX - m.n / 2;
		for (uint32_t i = 0; i < m.n; i++) {
			struct fw_answer a = { .id = m.first_id + i };
			/* A packet that was not delivered is not queued. */
			if (random_below(&seed, 10) == 0)
				continue;
			a.accept = random_below(&seed, kinds) != 1;
			a.marked = a.accept && random_below(&seed, kinds) > 1;
			a.mark = a.marked ? random_below(&seed, 2) : 0;
			if (round % 2 && random_below(&seed, 10) == 0)
				a = (struct fw_answer){ .id = a.id, .again = true };
			m.queued[i] = true;
			const bool goes_on = n > 0 && !a.again && same(&meant[n - 1], &a) &&
					     run < FW_ANSWER_RUN;
			run = goes_on ? run + 1 : 1;
			messages += !goes_on;
			meant[n++] = a;
		}
		/* As large as is promised, so that a byte more would be found. */
		char *out = malloc(n * FW_ANSWER_SIZE + 1);
		const size_t size = fw_nfq_put_answers(out, &options, meant, n);
		CHECK(size <= n * FW_ANSWER_SIZE);
		play(&m, out, size);
		free(out);
		CHECK(m.messages == messages);
		for (uint32_t i = 0; i < n; i++) {
			const uint32_t place = meant[i].id - m.first_id;
			CHECK(!m.queued[place] && same(&m.got[place], &meant[i]));
		}
	}
}

/* A message as the kernel sends it; its size. */
static size_t put_packet(char *buffer, uint8_t hook, const char *payload, uint32_t cap_length)
{
	const struct nfqnl_msg_packet_hdr queued = { .packet_id = htonl(77), .hook = hook };
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);

	message->nlmsg_type = NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_PACKET;
	mnl_nlmsg_put_extra_header(message, sizeof(struct nfgenmsg));
	mnl_attr_put(message, NFQA_PACKET_HDR, sizeof queued, &queued);
	mnl_attr_put_u32(message, NFQA_IFINDEX_INDEV, htonl(3));
	mnl_attr_put_u32(message, NFQA_IFINDEX_OUTDEV, htonl(4));
	mnl_attr_put_u32(message, NFQA_MARK, htonl(0xabcdef01));
	if (cap_length)
		mnl_attr_put_u32(message, NFQA_CAP_LEN, htonl(cap_length));
	mnl_attr_put(message, NFQA_PAYLOAD, strlen(payload), payload);
	return message->nlmsg_len;
}

static void a_packet_is_read(void)
{
	_Alignas(struct nlmsghdr) char buffer[256];
	struct fw_queued p;

	CHECK(fw_nfq_parse((uint8_t *)buffer, put_packet(buffer, NF_INET_FORWARD, "seven b", 0), &p));
	CHECK(p.id == 77 && p.hook == FW_HOOK_FORWARD && p.in == 3 && p.out == 4);
	CHECK(p.mark == 0xabcdef01 && p.captured == 7 && p.length == 7);
	CHECK(memcmp(p.bytes, "seven b", 7) == 0);
	CHECK(fw_nfq_parse((uint8_t *)buffer, put_packet(buffer, NF_INET_LOCAL_IN, "x", 9000), &p));
	CHECK(p.hook == FW_HOOK_INPUT && p.captured == 1 && p.length == 9000);
	put_packet(buffer, NF_INET_LOCAL_OUT, "", 0);
	CHECK(fw_nfq_parse((uint8_t *)buffer, 100, &p) && p.hook == FW_HOOK_OUTPUT);
	put_packet(buffer, NF_INET_PRE_ROUTING, "", 0);
	CHECK(fw_nfq_parse((uint8_t *)buffer, 100, &p) && p.hook == FW_HOOK_COUNT);
}

/* Whatever is missing or wrong, nothing is read that was not received. */
static void a_damaged_message_is_read_in_bounds(void)
{
	_Alignas(struct nlmsghdr) char buffer[256];
	struct fw_queued p;
	uint64_t seed = 3;

	for (int round = 0; round < ROUNDS; round++) {
		const size_t whole = put_packet(buffer, NF_INET_LOCAL_IN, "payload", 1500);
		const size_t size = round < (int)whole ? (size_t)round : whole;
		if (round >= (int)whole)
			buffer[random_below(&seed, (uint32_t)whole)] = (char)next_random(&seed);
		uint8_t *exact = malloc(size ? size : 1);
		memcpy(exact, buffer, size);
		memset(&p, 0, sizeof p);
		if (fw_nfq_parse(exact, size, &p)) {
			CHECK(p.bytes >= exact && p.bytes + p.captured <= exact + size);
			CHECK(p.captured <= p.length);
		}
		free(exact);
	}
}

int main(void)
{
	every_packet_gets_its_own_answer();
	a_packet_is_read();
	a_damaged_message_is_read_in_bounds();
	return 0;
}
