/*
 * An image is refused, or it is safe: each byte of a good one is changed in several ways, it is cut
 * at every length, and what is still taken decides packets under the sanitizers.
 */
#include "image.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "exercise.h"
#include "fw.h"
#include "sample.h"

enum { RANDOM_IMAGES = 300, RANDOM_CHANGES = 60 };

/* Loads changed bytes as if they had been written so; whether they were taken. */
static bool try_image(const uint8_t *bytes, uint32_t size)
{
	uint8_t *exact = malloc(size);
	struct fw_tables *t;

	memcpy(exact, bytes, size);
	sample_seal(exact, size);
	const int error = fw_tables_new(exact, size, &t);
	free(exact);
	CHECK(error == 0 || error == -EBADMSG);
	if (error)
		return false;
	exercise(t);
	fw_tables_free(t);
	return true;
}

static void every_changed_byte_is_refused_or_safe(struct sample *s)
{
	static const uint8_t changes[] = { 0x01, 0x80, 0xff, 0x40 };
	uint32_t refused = 0;

	for (uint32_t i = sizeof s->header.magic; i < s->size; i++) {
		for (size_t c = 0; c < sizeof changes; c++) {
			s->bytes[i] ^= changes[c];
			refused += !try_image(s->bytes, s->size);
			s->bytes[i] ^= changes[c];
		}
	}
	/* Most bytes that mean anything are seen to be wrong. */
	CHECK(refused > 500);
}

static void every_cut_is_refused(const struct sample *s)
{
	struct fw_tables *t;

	for (uint32_t size = 0; size < s->size; size++) {
		uint8_t *exact = malloc(size ? size : 1);
		memcpy(exact, s->bytes, size);
		CHECK(fw_tables_new(exact, size, &t) == -EBADMSG);
		free(exact);
	}
	/* With a header that says the smaller size. */
	for (uint32_t size = sizeof(struct fw_header); size < s->size - FW_SECTION_ALIGN; size++)
		CHECK(!try_image(s->bytes, size));
}

static void foreign_images_are_told_apart(struct sample *s)
{
	struct fw_tables *t;

	CHECK(fw_tables_new(s->bytes, s->size, &t) == 0);
	fw_tables_free(t);
	s->bytes[offsetof(struct fw_header, layout_hash)] ^= 1;
	CHECK(fw_tables_new(s->bytes, s->size, &t) == -ENOEXEC);
	s->bytes[offsetof(struct fw_header, magic)] ^= 1;
	CHECK(fw_tables_new(s->bytes, s->size, &t) == -EBADMSG);
	sample_image(s);
	s->bytes[s->size - 1] ^= 1;
	CHECK(fw_tables_new(s->bytes, s->size, &t) == -EBADMSG);
	sample_image(s);
}

/* One wrong thing each, in a header or record that is otherwise good. */
static void each_rule_of_the_format_is_held(struct sample *s)
{
	const struct fw_header good = s->header;
	struct fw_header *h = (struct fw_header *)(void *)s->bytes;
	struct fw_axis *axes = (struct fw_axis *)(void *)(s->bytes + good.axes_at);
	struct fw_step *steps = (struct fw_step *)(void *)(s->bytes + good.steps_at);
	struct fw_rule *rules = (struct fw_rule *)(void *)(s->bytes + good.rules_at);
	uint32_t *decide = (uint32_t *)(void *)(s->bytes + good.decide_at);
	uint32_t *effect = (uint32_t *)(void *)(s->bytes + good.effect_at);
	struct fw_wide *names = (struct fw_wide *)(void *)(s->bytes + good.in_names_at);
	struct fw_fold *fold = (struct fw_fold *)(void *)(s->bytes + good.folds_at);
	struct fw_tree *trees = (struct fw_tree *)(void *)(s->bytes + good.trees_at);
	uint32_t *ports = (uint32_t *)(void *)(s->bytes + trees[0].values_at);
	struct fw_leaf *v6 = (struct fw_leaf *)(void *)(s->bytes + trees[2].values_at);
	struct fw_low *low = (struct fw_low *)(void *)(s->bytes + trees[2].lows_at);
	struct fw_row *effects = (struct fw_row *)(void *)(s->bytes + axes[0].effect_at);
	struct fw_block *blocks = (struct fw_block *)(void *)(s->bytes + good.blocks_at);
	uint32_t *numbers = (uint32_t *)(void *)(s->bytes + good.numbers_at);
	struct fw_literal *literals = (struct fw_literal *)(void *)(s->bytes + good.literals_at);
	struct fw_set *sets = (struct fw_set *)(void *)(s->bytes + good.sets_at);
	struct fw_member *members = (struct fw_member *)(void *)(s->bytes + good.members_at);
	uint16_t *protos = (uint16_t *)(void *)(s->bytes + steps[0].table_at);
	uint16_t *product = (uint16_t *)(void *)(s->bytes + fold->product_at);
	uint64_t *rows = (uint64_t *)(void *)(s->bytes + axes[0].decide_at);

/* Must be refused with `place` set to `value`, and be good again after. */
#define REFUSED(place, value) \
	do { \
		const uint64_t before = (place); \
		(place) = (value); \
		CHECK(!try_image(s->bytes, s->size)); \
		(place) = (__typeof__(place))before; \
	} while (0)

	REFUSED(h->rule_count, 0);
	REFUSED(h->rule_count, 5);
	REFUSED(h->rule_count, UINT32_MAX);
	REFUSED(h->rules_at, 0);
	REFUSED(h->rules_at, good.rules_at + 8);
	REFUSED(h->rules_at, s->size);
	REFUSED(h->rules_at, UINT32_MAX - 63);
	REFUSED(h->axis_count, 0);
	REFUSED(h->axis_count, FW_MAX_AXES + 1);
	REFUSED(h->step_count, FW_MAX_STEPS + 1);
	REFUSED(h->step_count, 2);
	REFUSED(h->decide_count, 0);
	REFUSED(h->decide_count, 4);
	REFUSED(h->effect_count, 2);
	REFUSED(h->in_name_count, 0);
	REFUSED(h->mark_mask, 0x70000000);
	REFUSED(h->mark_mask, 0xf1000000);
	REFUSED(h->malformed, FW_VERDICT_REJECT);
	REFUSED(h->malformed, FW_VERDICT_NEXT);
	REFUSED(h->back_end, FW_BACK_END_COUNT);
	REFUSED(h->back_end, FW_BACK_END_PARTED);
	REFUSED(h->tree_count, FW_MAX_TREES + 1);
	REFUSED(h->tree_count, 2);
	REFUSED(h->fold_count, FW_MAX_FOLDS + 1);
	REFUSED(h->word_count, 1);
	REFUSED(h->block_count, 1);
	REFUSED(h->number_count, 1);
	REFUSED(rules[1].verdict, FW_VERDICT_NEXT);
	REFUSED(rules[0].mark_value, 1);
	REFUSED(rules[0].mark_clear, 0xf0000000);
	REFUSED(rules[0].log, 3);
	REFUSED(h->needs_at, 0);
	REFUSED(h->condition_count, 2);
	REFUSED(h->literal_count, 3);
	REFUSED(h->set_count, 0);
	REFUSED(h->member_count, 1);
	REFUSED(h->self_set, 1);
	REFUSED(literals[0].interval, 0);
	REFUSED(literals[0].interval, UINT64_MAX);
	REFUSED(literals[0].burst, 0);
	REFUSED(literals[0].source4, 33);
	REFUSED(literals[0].destination6, 129);
	REFUSED(literals[1].to, 1441);
	REFUSED(literals[3].set, 1);
	REFUSED(literals[3].kind, FW_LITERAL_COUNT);
	REFUSED(sets[0].size, 1);
	REFUSED(sets[0].size, UINT32_MAX);
	REFUSED(sets[0].first, 1);
	REFUSED(members[0].length, 33);
	REFUSED(members[0].length, 7);
	REFUSED(members[1].family, 2);
	REFUSED(rules[1].verdict, FW_VERDICT_COUNT);
	REFUSED(rules[3].reject, FW_REJECT_COUNT);
	REFUSED(rules[1].reject, 1);
	REFUSED(decide[0], 2);
	REFUSED(decide[4], SAMPLE_RULES);
	REFUSED(decide[0], 0);
	REFUSED(effect[0], 4);
	REFUSED(effect[1], SAMPLE_RULES);
	REFUSED(axes[0].kind, FW_AXIS_COUNT);
	REFUSED(axes[0].classes, 0);
	REFUSED(axes[0].classes, 25);
	REFUSED(axes[1].classes, UINT32_MAX);
	REFUSED(axes[1].classes, 1);
	REFUSED(axes[0].fold_count, 0);
	REFUSED(axes[0].fold_count, 2);
	REFUSED(axes[0].first_fold, UINT32_MAX);
	REFUSED(axes[0].first_fold, 1);
	REFUSED(axes[0].decide_at, s->size - 64);
	REFUSED(axes[0].effect_at, s->size - 64);
	REFUSED(axes[1].v4_tree, 3);
	REFUSED(axes[1].v4_tree, 2);
	REFUSED(axes[1].v6_tree, 1);
	REFUSED(axes[1].v4_tree, 0);
	REFUSED(fold->step_count, 0);
	REFUSED(fold->step_count, 4);
	REFUSED(fold->first_step, UINT32_MAX);
	REFUSED(fold->product_count, 23);
	REFUSED(fold->classes, 23);
	REFUSED(fold->classes, FW_MAX_CLASSES + 1);
	REFUSED(fold->pad, 1);
	REFUSED(steps[0].field, FW_FIELD_COUNT);
	REFUSED(steps[0].kind, FW_STEP_COUNT);
	REFUSED(steps[0].kind, FW_STEP_IDENTITY);
	REFUSED(steps[0].kind, FW_STEP_PAGED);
	REFUSED(steps[0].classes, 0);
	REFUSED(steps[0].classes, 2);
	REFUSED(steps[0].stride, 9);
	REFUSED(steps[0].stride, UINT32_MAX);
	REFUSED(steps[0].table_count, 0);
	REFUSED(steps[1].tree, 3);
	REFUSED(steps[1].classes, 3);
	REFUSED(steps[2].field, FW_FIELD_OUT);
	REFUSED(steps[2].classes, 1);
	REFUSED(steps[2].pad, 1);
	REFUSED(trees[0].kind, FW_TREE_COUNT);
	REFUSED(trees[2].kind, FW_TREE_NARROW);
	REFUSED(trees[0].key_count, 0);
	REFUSED(trees[0].key_count, 2 * FW_SEPARATORS);
	REFUSED(trees[0].value_count, 0);
	REFUSED(trees[0].value_count, FW_WAYS - 1);
	REFUSED(trees[0].value_count, 2 * FW_WAYS);
	REFUSED(trees[0].low_count, 1);
	REFUSED(trees[2].low_count, 0);
	REFUSED(protos[255], 3);
	REFUSED(product[23], 24);
	REFUSED(ports[5], 4);
	REFUSED(ports[5], FW_LOW);
	REFUSED(ports[5], FW_BRANCH);
	REFUSED(v6[0].own, FW_LOW | 1);
	REFUSED(v6[0].other, FW_LOW | 1);
	REFUSED(v6[8].own, 2);
	REFUSED(v6[8].other, 2);
	REFUSED(low->value[0], 2);
	REFUSED(low->value[8], FW_LOW);
	REFUSED(low->value[8], FW_BRANCH);
	REFUSED(low->value[8], FW_BRANCH | 1);
	REFUSED(effects[23].top, 2);
	REFUSED(effects[23].first, 25);
	REFUSED(effects[23].pad, 1);
	REFUSED(numbers[0], 25);
	REFUSED(blocks[24].bits, 0);
	REFUSED(blocks[24].bits, 3);
	REFUSED(blocks[24].first, 25);
	REFUSED(names[0].lo, 1);
	REFUSED(names[1].pad, 1);
	REFUSED(names[1].class, 2);
	REFUSED(rows[7], 0x20);
#undef REFUSED
	CHECK(try_image(s->bytes, s->size));
}

static void random_images_with_random_changes_are_refused_or_safe(struct sample *s)
{
	uint64_t seed = 4;

	for (int i = 0; i < RANDOM_IMAGES; i++) {
		sample_random(s, &seed);
		CHECK(try_image(s->bytes, s->size));
		for (int c = 0; c < RANDOM_CHANGES; c++) {
			uint8_t *byte = &s->bytes[random_below(&seed, s->size)];
			const uint8_t before = *byte;
			*byte = (uint8_t)next_random(&seed);
			try_image(s->bytes, s->size);
			*byte = before;
		}
	}
}

/* Two huge pages and a half, of which the sample is the beginning; where fw_image_place() said. */
enum { LARGE = 5 * FW_IMAGE_SLACK / 2, ROOM = LARGE + FW_IMAGE_SLACK };

static uint8_t *place(const struct sample *s, uint8_t **room)
{
	*room = mmap(NULL, ROOM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(*room != MAP_FAILED);
	const uint32_t at = fw_image_place(*room, ROOM);
	CHECK(at < FW_IMAGE_SLACK);
	memcpy(*room + at, s->bytes, s->size);
	sample_seal(*room + at, LARGE);
	return *room + at;
}

/* Whether the tables are those of the sample, whatever becomes of the memory that they were in. */
static void check_large(const struct sample *s, uint8_t *image)
{
	struct fw_tables *t;

	CHECK(fw_tables_new(image, LARGE, &t) == 0);
	memset(image, 0xff, LARGE);
	const uint32_t after = sizeof(struct fw_header);
	CHECK(memcmp(fw_at(t, after), s->bytes + after, s->size - after) == 0);
	exercise(t);
	fw_tables_free(t);
}

static void a_large_image_is_taken_from_where_it_was_placed(const struct sample *s)
{
	struct fw_tables *t;
	uint8_t *room, *image = place(s, &room);

	CHECK(fw_tables_new(image, LARGE, &t) == 0);
	CHECK(image[0] == 0 && image[2 * FW_IMAGE_SLACK - 1] == 0);
	fw_tables_free(t);
	munmap(room, ROOM);
	check_large(s, place(s, &room));
	munmap(room, ROOM);
	image = place(s, &room);
	image[LARGE - 1] ^= 1;
	CHECK(fw_tables_new(image, LARGE, &t) == -EBADMSG);
	munmap(room, ROOM);
}

static bool unmovable;

void *__wrap_mremap(void *from, size_t size, size_t new_size, int flags, void *to);
void *__real_mremap(void *from, size_t size, size_t new_size, int flags, void *to);

/* A kernel that cannot, and has taken away what was there. */
void *__wrap_mremap(void *from, size_t size, size_t new_size, int flags, void *to)
{
	if (!unmovable)
		return __real_mremap(from, size, new_size, flags, to);
	munmap(to, new_size);
	return MAP_FAILED;
}

static void a_large_image_is_copied_if_it_cannot_be_taken(const struct sample *s)
{
	uint8_t *room, *image = place(s, &room);

	memmove(image + 64, image, LARGE);
	check_large(s, image + 64);
	munmap(room, ROOM);
	const pid_t child = fork(); /* what it gives up there is no leak */
	if (child == 0) {
		unmovable = true;
		check_large(s, place(s, &room));
		_exit(0);
	}
	int status;
	CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(void)
{
	static struct sample s;

	sample_image(&s);
	foreign_images_are_told_apart(&s);
	every_cut_is_refused(&s);
	each_rule_of_the_format_is_held(&s);
	every_changed_byte_is_refused_or_safe(&s);
	random_images_with_random_changes_are_refused_or_safe(&s);
	a_large_image_is_taken_from_where_it_was_placed(&s);
	a_large_image_is_copied_if_it_cannot_be_taken(&s);
	return 0;
}
