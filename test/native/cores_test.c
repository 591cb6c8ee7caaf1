/*
 * Under the quota of a real cgroup, v1 or v2, its own or one above, there are no more threads than
 * whole cores: a pool is made with fewer, and one that was made before shares no more.
 *
 * The affinity is made up, see the Makefile: as many cores as it takes for the quota to be less.
 */
#include "cores.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "pool.h"

enum { CORES = 4, SKIPPED = 77, PATH_SIZE = 128, PERIOD_US = 100000 };

static const char *const roots[2] = { "/sys/fs/cgroup", "/sys/fs/cgroup/cpu" };

int __wrap_pthread_getaffinity_np(pthread_t thread, size_t size, cpu_set_t *set);

int __wrap_pthread_getaffinity_np(pthread_t thread, size_t size, cpu_set_t *set)
{
	(void)thread;
	(void)size;
	CPU_ZERO(set);
	for (uint32_t core = 0; core < CORES; core++)
		CPU_SET(core, set);
	return 0;
}

/* A group, and one in it, where this process is. */
struct groups {
	char outer[PATH_SIZE], inner[PATH_SIZE + 8];
	bool unified;
};

static bool has(const char *folder, const char *name)
{
	char path[2 * PATH_SIZE];

	snprintf(path, sizeof path, "%s/%s", folder, name);
	return access(path, W_OK) == 0;
}

static void put(const char *folder, const char *name, const char *text)
{
	char path[2 * PATH_SIZE];
	snprintf(path, sizeof path, "%s/%s", folder, name);
	const int file = open(path, O_WRONLY | O_CLOEXEC);

	CHECK(file >= 0);
	CHECK_FOR(write(file, text, strlen(text)) == (ssize_t)strlen(text), path);
	close(file);
}

/* Hundredths of a core; 0: as many as there are. */
static void set_quota(const struct groups *g, bool inner, int hundredths)
{
	const char *folder = inner ? g->inner : g->outer;
	const int quota = hundredths * (PERIOD_US / 100);
	char text[64];

	if (!g->unified)
		snprintf(text, sizeof text, "%d", quota > 0 ? quota : -1);
	else if (quota > 0)
		snprintf(text, sizeof text, "%d %d", quota, PERIOD_US);
	else
		snprintf(text, sizeof text, "max %d", PERIOD_US);
	put(folder, g->unified ? "cpu.max" : "cpu.cfs_quota_us", text);
}

static void remove_groups(const struct groups *g)
{
	rmdir(g->inner);
	rmdir(g->outer);
}

/* Whether the machine lets us. */
static bool make_groups(struct groups *g, bool unified)
{
	g->unified = unified;
	snprintf(g->outer, sizeof g->outer, "%s/barrage-test-%d", roots[!unified], getpid());
	snprintf(g->inner, sizeof g->inner, "%s/inner", g->outer);
	if (mkdir(g->outer, 0755) != 0)
		return false;
	if (unified && has(g->outer, "cpu.max"))
		put(g->outer, "cgroup.subtree_control", "+cpu");
	if (mkdir(g->inner, 0755) == 0 && has(g->inner, unified ? "cpu.max" : "cpu.cfs_quota_us"))
		return true;
	remove_groups(g);
	return false;
}

static void nothing(void *context, uint32_t chunk)
{
	(void)context;
	(void)chunk;
}

static const struct fw_job job = { nothing, NULL, CORES, 0, NULL };

/* Of a pool that may have as many as there are. */
static void check_threads(uint32_t threads)
{
	struct fw_pool *p;

	CHECK(fw_pool_new(0, 1, &p) == 0);
	CHECK(fw_pool_threads(p) == threads);
	CHECK(fw_pool_run(p, &job) == (threads > 1));
	fw_pool_free(p);
}

static void quotas_are_kept(const struct groups *g)
{
	check_threads(CORES);
	set_quota(g, true, 200);
	CHECK(fw_quota_cores() == 2);
	check_threads(2);
	set_quota(g, true, 199);
	CHECK(fw_quota_cores() == 1);
	check_threads(1);
	set_quota(g, true, 50);
	CHECK(fw_quota_cores() == 1);

	set_quota(g, true, 0);
	set_quota(g, false, 300);
	CHECK(fw_quota_cores() == 3);
	set_quota(g, true, 100);
	CHECK(fw_quota_cores() == 1);
	set_quota(g, true, 0);

	/* It looks again once a second, so with the first job a second from now it has seen it. */
	struct fw_pool *p;
	CHECK(fw_pool_new(2, 1, &p) == 0);
	CHECK(fw_pool_run(p, &job));
	set_quota(g, false, 100);
	while (fw_pool_run(p, &job))
		;
	for (uint32_t i = 0; i < 1000; i++)
		CHECK(!fw_pool_run(p, &job));
	fw_pool_free(p);
}

int main(void)
{
	struct groups g;

	if (fw_quota_cores() < CORES) {
		printf("skipped: a quota is set already\n");
		return SKIPPED;
	}
	if (!make_groups(&g, true) && !make_groups(&g, false)) {
		printf("skipped: may not make a cgroup with a quota\n");
		return SKIPPED;
	}
	const pid_t child = fork();
	if (child == 0) {
		alarm(60); /* rather than to wait for ever for a pool that looks no more */
		put(g.inner, "cgroup.procs", "0");
		quotas_are_kept(&g);
		_exit(0);
	}
	int status;
	const bool ended = child > 0 && waitpid(child, &status, 0) == child;
	remove_groups(&g);
	CHECK(ended && WIFEXITED(status) && WEXITSTATUS(status) == 0);
	return 0;
}
