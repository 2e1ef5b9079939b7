/* Crash images of writes and of the log: see image.h. */
#include "crash/image.h"

int main(void)
{
	static const struct workload work[] = {
		{ "open", work_open, SHALE_DURABLE },
		{ "puts-durable", work_puts, SHALE_DURABLE },
		{ "puts-interval", work_puts, SHALE_INTERVAL },
		{ "puts-process", work_puts, SHALE_PROCESS },
		{ "puts-ephemeral", work_puts, SHALE_EPHEMERAL },
		{ "raised-process", work_raised, SHALE_PROCESS },
		{ "raised-interval", work_raised, SHALE_INTERVAL },
		{ "batches-durable", work_batches, SHALE_DURABLE },
		{ "batches-process", work_batches, SHALE_PROCESS },
		{ "writers-durable", work_writers, SHALE_DURABLE },
		{ "writers-interval", work_writers, SHALE_INTERVAL },
		{ "rotate-durable", work_rotate, SHALE_DURABLE },
		{ "rotate-process", work_rotate, SHALE_PROCESS },
		{ "large-durable", work_large, SHALE_DURABLE },
		{ "large-process", work_large, SHALE_PROCESS },
		{ "replay-durable", work_replay, SHALE_DURABLE },
		{ "replay-process", work_replay, SHALE_PROCESS },
		{ "reopen-durable", work_reopen, SHALE_DURABLE },
		{ "reopen-interval", work_reopen, SHALE_INTERVAL },
	};

	return image_main(WORKLOADS(work), 140000);
}
