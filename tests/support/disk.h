/*
 * Small disks: an image file with a real file system, mounted over a loop device in
 * a mount namespace of this process. Needs root and loop devices. Nothing is left
 * behind however the process ends: the mount goes with the namespace, and the
 * device detaches itself with the mount.
 */
#ifndef TESTS_SUPPORT_DISK_H
#define TESTS_SUPPORT_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct disk {
	const char *fs;  /* "ext4", "xfs", "btrfs" */
	char image[300]; /* the file */
	char mount[300]; /* where it is mounted */
	bool mounted;
};

/* Why disks cannot be mounted here, or NULL. Enters the namespace when first asked. */
const char *disks_unavailable(const char *fs);

/*
 * A directory for images, in memory where there is room for that: what is tried here is
 * the file system, not the disk below it. Given back by test_dir_remove().
 */
char *disk_base_new(void);
/* Make and format `base`/NAME.img; `base`/NAME is where it will be mounted. */
void disk_make(struct disk *d, const char *fs, const char *base, const char *name, unsigned mib);
/* The same for an image that is there already. */
void disk_adopt(struct disk *d, const char *fs, const char *base, const char *name);
/* A copy of an image as it is at one moment, on a file system that can do that. */
void disk_clone(const struct disk *d, const char *image);
void disk_mount(struct disk *d);
void disk_unmount(struct disk *d);
/* Unmounted if need be, image and directory removed. */
void disk_remove(struct disk *d);

/* Space that an ordinary file could still take. */
uint64_t disk_free(const struct disk *d);
/* A file of that size that is really there; or as much of it as there is room for. */
void disk_fill(const struct disk *d, const char *name, uint64_t bytes);
void disk_unfill(const struct disk *d, const char *name);

#endif
