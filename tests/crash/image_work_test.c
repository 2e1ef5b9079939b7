/* Crash images of flushes, merges, policies, families and failures: see image.h. */
#include "crash/image.h"

int main(void)
{
	static const struct workload work[] = {
		{ "flush-durable", work_flush, SHALE_DURABLE },
		{ "flush-process", work_flush, SHALE_PROCESS },
		{ "flush-ephemeral", work_flush, SHALE_EPHEMERAL },
		{ "close-durable", work_close, SHALE_DURABLE },
		{ "close-process", work_close, SHALE_PROCESS },
		{ "merge-durable", work_merge, SHALE_DURABLE },
		{ "merge-process", work_merge, SHALE_PROCESS },
		{ "ranges-durable", work_ranges, SHALE_DURABLE },
		{ "ranges-interval", work_ranges, SHALE_INTERVAL },
		{ "snapshots", work_snapshots, SHALE_PROCESS },
		{ "manifest-durable", work_manifest, SHALE_DURABLE },
		{ "manifest-process", work_manifest, SHALE_PROCESS },
		{ "families-durable", work_families, SHALE_DURABLE },
		{ "families-process", work_families, SHALE_PROCESS },
		{ "resume", work_resume, SHALE_DURABLE },
		{ "full", work_full, SHALE_DURABLE },
		{ "switch-durable", work_switch, SHALE_DURABLE },
		{ "switch-process", work_switch, SHALE_PROCESS },
		{ "window-interval", work_window, SHALE_INTERVAL },
		{ "fifo-process", work_fifo, SHALE_PROCESS },
		{ "stretch-durable", work_stretch, SHALE_DURABLE },
		{ "stretch-process", work_stretch, SHALE_PROCESS },
		{ "share-durable", work_share, SHALE_DURABLE },
		{ "share-process", work_share, SHALE_PROCESS },
		{ "mixed-durable", work_mixed, SHALE_DURABLE },
		{ "mixed-interval", work_mixed, SHALE_INTERVAL },
		{ "mixed-process", work_mixed, SHALE_PROCESS },
	};

	return image_main(WORKLOADS(work), 120000);
}
