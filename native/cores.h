/*
 * cores.h - how many cores this process may keep busy by its cgroup's quota.
 *
 * Affinity is asked of the threads themselves (pthread_getaffinity_np). Read from /proc and /sys,
 * so once a second at most, never for a batch. What cannot be read is no limit.
 */
#ifndef FW_CORES_H
#define FW_CORES_H

#include <stdint.h>

/* Whole cores, at least 1; UINT32_MAX without a quota. cgroup v2 and v1. */
uint32_t fw_quota_cores(void);

#endif
