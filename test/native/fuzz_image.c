/* Any bytes as an image: refused, or safe to decide packets with. Starts from good ones. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "exercise.h"
#include "sample.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *image = malloc(size);
	struct fw_tables *t;

	memcpy(image, data, size);
	if (fw_tables_new(image, (uint32_t)size, &t) == 0) {
		exercise(t);
		fw_tables_free(t);
	}
	free(image);
	return 0;
}

/* Small inputs become a good image; the rest are changed, and their checksum made true again. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
	static struct sample s;
	uint64_t state = seed;

	if (size < sizeof(struct fw_header)) {
		if (seed % 2)
			sample_random(&s, &state);
		else
			sample_image(&s);
		if (s.size > max_size)
			return LLVMFuzzerMutate(data, size, max_size);
		memcpy(data, s.bytes, s.size);
		return s.size;
	}
	size = LLVMFuzzerMutate(data, size, max_size);
	if (size >= sizeof(struct fw_header))
		sample_seal(data, (uint32_t)size);
	return size;
}
