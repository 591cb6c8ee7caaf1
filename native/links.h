/*
 * links.h - interface index -> the class of the interface's name.
 *
 * A pump keeps the classes of the interfaces it has met and asks the kernel only about new ones.
 * One watch an engine listens for changes of links (rename, new device, address) and makes every pump
 * forget what it knew before its next batch; a watch that fails makes them forget it every time.
 */
#ifndef FW_LINKS_H
#define FW_LINKS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "image.h"

/* Class of a zero-padded name of FW_NAME_SIZE bytes; all zero is no interface. 0 if no rule asks. */
uint32_t fw_in_class(const struct fw_tables *t, const uint8_t *name);
uint32_t fw_out_class(const struct fw_tables *t, const uint8_t *name);

struct fw_watch {
	int fd;
	bool running; /* there is a thread to join */
	pthread_t thread;
	_Atomic bool stop;
	_Atomic uint32_t generation; /* of the names in force; 0 once changes are no longer heard of */
};

int fw_watch_start(struct fw_watch *w);
/* Ends the thread. Harmless if it was never started. */
void fw_watch_stop(struct fw_watch *w);

struct fw_link {
	uint32_t index; /* 0 for an empty place */
	uint32_t in;
	uint32_t out;
};

/* One pump's memory. A place is the index modulo FW_LINKS; two that share one displace each other. */
enum { FW_LINKS = 256 };

struct fw_links {
	const struct fw_tables *tables;
	const struct fw_watch *watch;
	int fd; /* to ask for names with */
	uint32_t generation; /* of what is remembered */
	struct fw_link none; /* class of no interface */
	struct fw_link known[FW_LINKS];
};

int fw_links_init(struct fw_links *l, const struct fw_tables *t, const struct fw_watch *w);
void fw_links_clear(struct fw_links *l);
/* Forgets all: other tables have other classes. */
void fw_links_use(struct fw_links *l, const struct fw_tables *t);

/*
 * Forgets all if links have changed. Before each batch. The generation of links and addresses in
 * force; 0 once changes are no longer heard of.
 */
uint32_t fw_links_refresh(struct fw_links *l);

/* Classes of an interface; index 0 is none, and so is one that has gone. Valid until the next call. */
const struct fw_link *fw_link_find(struct fw_links *l, uint32_t index);

#endif
