/* An interface's class follows its name: through a rename, and when its index is used again. */
#include "links.h"

#include <net/if.h>
#include <string.h>
#include <time.h>

#include "check.h"
#include "netns.h"
#include "sample.h"

static uint32_t class_of(struct fw_links *l, const char *name)
{
	const uint32_t index = if_nametoindex(name);

	CHECK_FOR(index != 0, name);
	fw_links_refresh(l);
	return fw_link_find(l, index)->in;
}

/* The announcement comes on a thread of its own: until then the old class may be given. */
static void wait_for_class(struct fw_links *l, const char *name, uint32_t class)
{
	const struct timespec pause = { .tv_nsec = 1000000 };

	for (int tries = 0; class_of(l, name) != class; tries++) {
		CHECK_FOR(tries < 5000, name);
		nanosleep(&pause, NULL);
	}
}

static uint32_t padded_class(const struct fw_tables *t, const char *name)
{
	uint8_t padded[FW_NAME_SIZE] = { 0 };

	memcpy(padded, name, strnlen(name, sizeof padded));
	return fw_in_class(t, padded);
}

/* In the sample, "lo" is 1 and all else 0, names next to it in order included. */
static void names_have_classes(const struct fw_tables *t)
{
	CHECK(padded_class(t, "lo") == 1);
	CHECK(padded_class(t, "") == 0);
	CHECK(padded_class(t, "l") == 0);
	CHECK(padded_class(t, "ln") == 0);
	CHECK(padded_class(t, "lo0") == 0);
	CHECK(padded_class(t, "lp") == 0);
	CHECK(padded_class(t, "zzzzzzzzzzzzzzz") == 0);
	/* No rule asks for output interfaces. */
	CHECK(fw_out_class(t, (const uint8_t *)"lo\0\0\0\0\0\0\0\0\0\0\0\0\0") == 0);
}

static void a_rename_changes_the_class(const struct fw_tables *t)
{
	struct fw_watch watch = { 0 };
	struct fw_links links;

	CHECK(fw_watch_start(&watch) == 0);
	CHECK(fw_links_init(&links, t, &watch) == 0);
	fw_links_refresh(&links);
	CHECK(fw_link_find(&links, 0)->in == 0);
	CHECK(fw_link_find(&links, 12345)->in == 0);
	CHECK(class_of(&links, "lo") == 1);
	netns_shell("ip link set lo down && ip link set lo name other", "");
	wait_for_class(&links, "other", 0);
	netns_shell("ip link set other name lo", "");
	wait_for_class(&links, "lo", 1);
	fw_links_clear(&links);
	fw_watch_stop(&watch);
	fw_watch_stop(&watch);
}

/* Two interfaces whose indexes share a place displace each other, and are not mistaken. */
static void neighbours_are_told_apart(const struct fw_tables *t)
{
	struct fw_watch watch = { 0 };
	struct fw_links links;

	atomic_init(&watch.generation, 1);
	CHECK(fw_links_init(&links, t, &watch) == 0);
	netns_shell("ip link add other index 257 type veth peer name peer", "");
	CHECK(if_nametoindex("lo") == 1);
	for (int i = 0; i < 3; i++) {
		CHECK(class_of(&links, "lo") == 1);
		CHECK(class_of(&links, "other") == 0);
	}
	fw_links_clear(&links);
}

/* A watch that has failed says 0: then nothing is remembered from batch to batch. */
static void without_a_watch_nothing_is_remembered(const struct fw_tables *t)
{
	struct fw_watch deaf = { 0 };
	struct fw_links links;

	CHECK(fw_links_init(&links, t, &deaf) == 0);
	CHECK(class_of(&links, "lo") == 1);
	netns_shell("ip link set lo down && ip link set lo name renamed", "");
	CHECK(class_of(&links, "renamed") == 0);
	fw_links_clear(&links);
}

int main(void)
{
	static struct sample sample;
	struct fw_tables *t;

	sample_image(&sample);
	CHECK(fw_tables_new(sample.bytes, sample.size, &t) == 0);
	names_have_classes(t);
	netns_enter();
	a_rename_changes_the_class(t);
	neighbours_are_told_apart(t);
	without_a_watch_nothing_is_remembered(t);
	fw_tables_free(t);
	return 0;
}
