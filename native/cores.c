#include "cores.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { PATH_SIZE = 4096 };

/* Reads numbers, or "max", from a file of one line. How many numbers were there. */
static int read_numbers(const char *folder, const char *name, long long *a, long long *b)
{
	char path[PATH_SIZE + 64];
	snprintf(path, sizeof path, "%s/%s", folder, name);
	FILE *file = fopen(path, "re");

	if (!file)
		return 0;
	const int found = fscanf(file, "%lld %lld", a, b);
	fclose(file);
	return found < 0 ? 0 : found;
}

/* The quota of one cgroup. */
static uint32_t cores_of(const char *folder, bool unified)
{
	long long quota = -1, period = 0, none;

	if (unified) {
		if (read_numbers(folder, "cpu.max", &quota, &period) < 2)
			return UINT32_MAX;
	} else {
		read_numbers(folder, "cpu.cfs_quota_us", &quota, &none);
		read_numbers(folder, "cpu.cfs_period_us", &period, &none);
	}
	if (quota < 0 || period <= 0)
		return UINT32_MAX;
	return quota < period ? 1 : (uint32_t)(quota / period);
}

/* The least of a cgroup and those above it: `folder` is cut back to `root` on the way. */
static uint32_t least_above(char *folder, size_t root, bool unified)
{
	uint32_t least = UINT32_MAX;

	for (;;) {
		const uint32_t cores = cores_of(folder, unified);
		if (cores < least)
			least = cores;
		char *slash = strrchr(folder + root, '/');
		if (!slash)
			return least;
		*slash = '\0';
	}
}

uint32_t fw_quota_cores(void)
{
	static const char unified_root[] = "/sys/fs/cgroup";
	static const char cpu_root[] = "/sys/fs/cgroup/cpu";
	uint32_t least = UINT32_MAX;
	char line[PATH_SIZE / 2], folder[PATH_SIZE];
	FILE *file = fopen("/proc/self/cgroup", "re");

	/* "0::/path" for v2, "3:cpu,cpuacct:/path" for v1. */
	while (file && fgets(line, sizeof line, file)) {
		line[strcspn(line, "\n")] = '\0';
		char *kinds = strchr(line, ':');
		char *path = kinds ? strchr(kinds + 1, ':') : NULL;
		if (!path)
			continue;
		*path++ = '\0';
		const bool unified = kinds[1] == '\0';
		if (!unified && strcmp(kinds, ":cpu") != 0 && strncmp(kinds, ":cpu,", 5) != 0)
			continue;
		const char *root = unified ? unified_root : cpu_root;
		snprintf(folder, sizeof folder, "%s%s", root, strcmp(path, "/") == 0 ? "" : path);
		const uint32_t cores = least_above(folder, strlen(root), unified);
		if (cores < least)
			least = cores;
	}
	if (file)
		fclose(file);
	return least;
}
