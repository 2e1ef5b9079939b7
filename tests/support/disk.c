#include "support/disk.h"

#include "support/test.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

static int run(const char *command)
{
	int status = system(command);

	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* A namespace whose mounts nobody else sees. */
static bool enter_namespace(void)
{
	static bool entered;

	if (!entered)
		entered = unshare(CLONE_NEWNS) == 0 &&
			  mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
	return entered;
}

const char *disks_unavailable(const char *fs)
{
	static char why[128];
	char command[128], line[64];
	bool known = false;
	FILE *list;

	if (geteuid() != 0)
		return "only root can mount";
	if (access("/dev/loop-control", R_OK | W_OK) != 0)
		return "there are no loop devices";
	snprintf(command, sizeof(command), "command -v mkfs.%s >/dev/null", fs);
	if (run(command) != 0) {
		snprintf(why, sizeof(why), "mkfs.%s is not installed", fs);
		return why;
	}
	snprintf(command, sizeof(command), "modprobe -q %s 2>/dev/null", fs);
	(void)run(command);
	list = fopen("/proc/filesystems", "r");
	while (list != NULL && fgets(line, sizeof(line), list) != NULL)
		known |= strstr(line, fs) != NULL;
	if (list != NULL)
		fclose(list);
	if (!known) {
		snprintf(why, sizeof(why), "the kernel has no %s", fs);
		return why;
	}
	return enter_namespace() ? NULL : "a mount namespace is not permitted";
}

/* ---- images ---- */

char *disk_base_new(void)
{
	const char *memory = "/dev/shm";
	struct statvfs st;

	if (access(memory, W_OK) == 0 && statvfs(memory, &st) == 0 &&
	    (uint64_t)st.f_bavail * st.f_frsize >= 1u << 30)
		setenv("TMPDIR", memory, 1);
	return test_dir_new();
}

void disk_adopt(struct disk *d, const char *fs, const char *base, const char *name)
{
	*d = (struct disk){ .fs = fs };
	assert_true(snprintf(d->image, sizeof(d->image), "%s/%s.img", base, name) <
		    (int)sizeof(d->image));
	snprintf(d->mount, sizeof(d->mount), "%s/%s", base, name);
	assert_true(mkdir(d->mount, 0700) == 0 || errno == EEXIST);
}

void disk_make(struct disk *d, const char *fs, const char *base, const char *name, unsigned mib)
{
	char command[700];
	int fd;

	disk_adopt(d, fs, base, name);
	fd = open(d->image, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)mib << 20), 0);
	close(fd);
	snprintf(command, sizeof(command), "mkfs.%s %s %s >/dev/null 2>&1", fs,
		 strcmp(fs, "ext4") == 0 ? "-q -F -m 0" : "-f", d->image);
	if (run(command) != 0)
		fail_msg("%s failed", command);
}

void disk_clone(const struct disk *d, const char *image)
{
	int from = open(d->image, O_RDONLY | O_CLOEXEC);
	int to = open(image, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(from >= 0 && to >= 0);
	if (ioctl(to, FICLONE, from) != 0)
		fail_msg("cloning %s: %s", d->image, strerror(errno));
	close(from);
	close(to);
}

void disk_remove(struct disk *d)
{
	if (d->mounted)
		disk_unmount(d);
	unlink(d->image);
	rmdir(d->mount);
}

/* ---- mounting ---- */

/* A free loop device with the image; another process may be faster, then again. */
static int attach(const struct disk *d, char *device, size_t size)
{
	int image = open(d->image, O_RDWR | O_CLOEXEC), control, loop = -1;

	control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	assert_true(image >= 0 && control >= 0);
	for (int tries = 0; tries < 100 && loop < 0; tries++) {
		struct loop_info64 info = { .lo_flags = LO_FLAGS_AUTOCLEAR };
		int n = ioctl(control, LOOP_CTL_GET_FREE);

		assert_true(n >= 0);
		snprintf(device, size, "/dev/loop%d", n);
		loop = open(device, O_RDWR | O_CLOEXEC);
		if (loop >= 0 && (ioctl(loop, LOOP_SET_FD, image) != 0 ||
				  ioctl(loop, LOOP_SET_STATUS64, &info) != 0)) {
			close(loop);
			loop = -1;
			usleep(10000);
		}
	}
	close(control);
	close(image);
	return loop;
}

void disk_mount(struct disk *d)
{
	char device[64];
	int loop = attach(d, device, sizeof(device));

	if (loop < 0)
		fail_msg("no loop device for %s: %s", d->image, strerror(errno));
	if (mount(device, d->mount, d->fs, MS_NOATIME, "") != 0) {
		int err = errno;

		close(loop);
		fail_msg("mounting %s (%s): %s", d->image, d->fs, strerror(err));
	}
	/* The mount keeps it now; when that goes, it detaches itself. */
	close(loop);
	d->mounted = true;
}

void disk_unmount(struct disk *d)
{
	/* What a killed process had open may take a moment to be given back. */
	for (int tries = 0; umount(d->mount) != 0; tries++) {
		if (errno != EBUSY || tries == 500)
			fail_msg("unmounting %s: %s", d->mount, strerror(errno));
		usleep(10000);
	}
	d->mounted = false;
}

/* ---- space ---- */

uint64_t disk_free(const struct disk *d)
{
	struct statvfs st;

	assert_int_equal(statvfs(d->mount, &st), 0);
	return (uint64_t)st.f_bavail * st.f_frsize;
}

void disk_fill(const struct disk *d, const char *name, uint64_t bytes)
{
	static uint8_t block[64 << 10];
	size_t piece = sizeof(block);
	char path[600];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", d->mount, name);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0 && errno == ENOSPC)
		return;
	assert_true(fd >= 0);
	for (size_t i = 0; i < sizeof(block); i++)
		block[i] = (uint8_t)(i * 7919 >> 3);
	/* Near the end every try may make the file system search long: not too many of them. */
	for (int tries = 0; bytes > 0 && piece >= 4096 && tries < 64;
	     tries += piece < sizeof(block)) {
		size_t n = bytes < piece ? (size_t)bytes : piece;
		ssize_t put = write(fd, block, n);

		if (put > 0)
			bytes -= (uint64_t)put;
		else
			piece /= 2;
	}
	(void)fsync(fd); /* on a full disk it may say so */
	close(fd);
}

void disk_unfill(const struct disk *d, const char *name)
{
	char path[600];

	snprintf(path, sizeof(path), "%s/%s", d->mount, name);
	assert_int_equal(unlink(path), 0);
}
