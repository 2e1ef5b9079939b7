#include "report.h"

#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

static int order_double(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* What one column shows of a round. */
enum column { RATE, CPU, WRITTEN, RSS, DISK, P50, P99, P999, MAX, SECONDS, COLUMNS };

static const char *const column_name[COLUMNS] = {
	"ops_per_s", "cpu_s",  "written_bytes", "peak_rss_bytes", "disk_bytes",
	"p50_ns",    "p99_ns", "p999_ns",       "max_ns",         "seconds",
};

static double column_of(const struct figures *f, enum column c)
{
	switch (c) {
	case RATE:
		return f->seconds > 0 ? (double)f->ops / f->seconds : 0;
	case CPU:
		return f->cpu_seconds;
	case WRITTEN:
		return (double)f->written;
	case RSS:
		return (double)f->peak_rss;
	case DISK:
		return (double)f->disk;
	case P50:
		return (double)f->p50;
	case P99:
		return (double)f->p99;
	case P999:
		return (double)f->p999;
	case MAX:
		return (double)f->max;
	default:
		return f->seconds;
	}
}

static double median(const struct results *r, unsigned e, enum workload w, enum column c)
{
	double v[ROUNDS_MAX];

	for (unsigned i = 0; i < r->rounds; i++)
		v[i] = column_of(&r->figures[e][w][i], c);
	qsort(v, r->rounds, sizeof(v[0]), order_double);
	return r->rounds % 2 != 0 ? v[r->rounds / 2]
				  : (v[r->rounds / 2 - 1] + v[r->rounds / 2]) / 2;
}

/* Nanoseconds in five characters or so. */
static const char *duration(double ns, char out[16])
{
	if (ns == 0)
		return "-";
	if (ns < 10000)
		snprintf(out, 16, "%.0f ns", ns);
	else if (ns < 10e6)
		snprintf(out, 16, "%.0f us", ns / 1e3);
	else
		snprintf(out, 16, "%.0f ms", ns / 1e6);
	return out;
}

static void table_row(const struct results *r, unsigned e, enum workload w, FILE *out)
{
	double rate = median(r, e, w, RATE), cpu = median(r, e, w, CPU);
	double ops = (double)r->figures[e][w][0].ops;
	char t[4][16];

	fprintf(out, "%-12s %-8s ", workload_name[w], r->engine[e]->name);
	if (w == SETTLE || w == SETTLE_AGAIN)
		fprintf(out, "%9.1f s %8s %8s %8s %8s ", median(r, e, w, SECONDS), "-", "-", "-",
			"-");
	else
		fprintf(out, "%11.0f %8s %8s %8s %8s ", rate, duration(median(r, e, w, P50), t[0]),
			duration(median(r, e, w, P99), t[1]), duration(median(r, e, w, P999), t[2]),
			duration(median(r, e, w, MAX), t[3]));
	fprintf(out, "%7.2f %7.0f %7.0f %7.0f %7.0f", cpu, cpu * 1e9 / ops,
		median(r, e, w, WRITTEN) / (1 << 20), median(r, e, w, RSS) / (1 << 20),
		median(r, e, w, DISK) / (1 << 20));
	for (unsigned k = 0; k < r->engines; k++) {
		double other = median(r, k, w, RATE);

		if (w == SETTLE || w == SETTLE_AGAIN || other <= 0)
			fprintf(out, " %8s", "");
		else
			fprintf(out, " %7.2fx", rate / other);
	}
	fputc('\n', out);
}

void report_table(const struct results *r, FILE *out)
{
	fprintf(out, "\n%-12s %-8s %11s %8s %8s %8s %8s %7s %7s %7s %7s %7s", "workload", "engine",
		"ops/s", "p50", "p99", "p99.9", "max", "cpu s", "cpu ns", "written", "peak",
		"disk");
	for (unsigned k = 0; k < r->engines; k++)
		fprintf(out, " %8.8s", r->engine[k]->name);
	fprintf(out, "\n%-12s %-8s %11s %8s %8s %8s %8s %7s %7s %7s %7s %7s", "", "", "", "", "",
		"", "", "", "an op", "MiB", "MiB", "MiB");
	for (unsigned k = 0; k < r->engines; k++)
		fprintf(out, " %8s", "= 1");
	fputc('\n', out);
	for (int w = 0; w < WORKLOADS; w++)
		for (unsigned e = 0; e < r->engines; e++)
			if (r->figures[e][w][0].ran)
				table_row(r, e, (enum workload)w, out);
	fflush(out);
}

/* ---- JSON ---- */

static void json_string(FILE *f, const char *s)
{
	fputc('"', f);
	for (; *s != '\0'; s++) {
		if (*s == '"' || *s == '\\')
			fputc('\\', f);
		if ((unsigned char)*s >= ' ')
			fputc(*s, f);
	}
	fputc('"', f);
}

static void json_processor(FILE *f)
{
	FILE *info = fopen("/proc/cpuinfo", "r");
	char line[256], *colon;

	while (info != NULL && fgets(line, sizeof(line), info) != NULL) {
		if (strncmp(line, "model name", 10) != 0 || (colon = strchr(line, ':')) == NULL)
			continue;
		fprintf(f, "    \"processor\": ");
		json_string(f, colon + 2);
		fprintf(f, ",\n");
		break;
	}
	if (info != NULL)
		fclose(info);
}

static void json_machine(FILE *f)
{
	struct utsname u;
	char when[32];
	time_t now = time(NULL);

	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", gmtime(&now));
	uname(&u);
	fprintf(f, "  \"machine\": {\n");
	json_processor(f);
	fprintf(f, "    \"processors\": %ld, \"memory_bytes\": %lld, \"kernel\": ",
		sysconf(_SC_NPROCESSORS_ONLN),
		(long long)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE));
	json_string(f, u.release);
	fprintf(f, ", \"time\": \"%s\"\n  },\n", when);
}

static void json_workload(FILE *f, const struct results *r, unsigned e, enum workload w)
{
	fprintf(f, "        \"%s\": { \"ops\": %llu", workload_name[w],
		(unsigned long long)r->figures[e][w][0].ops);
	for (int c = 0; c < COLUMNS; c++) {
		fprintf(f, ",\n          \"%s\": { \"median\": %.10g, \"rounds\": [",
			column_name[c], median(r, e, w, (enum column)c));
		for (unsigned i = 0; i < r->rounds; i++)
			fprintf(f, "%s%.10g", i != 0 ? ", " : "",
				column_of(&r->figures[e][w][i], (enum column)c));
		fprintf(f, "] }");
	}
	fprintf(f, " }");
}

bool report_json(const struct results *r, const char *path)
{
	const struct plan *p = r->plan;
	FILE *f = fopen(path, "w");

	if (f == NULL)
		return false;
	fprintf(f, "{\n");
	json_machine(f);
	fprintf(f,
		"  \"plan\": { \"num\": %llu, \"reads\": %llu, \"seeks\": %llu, \"key\": \"%s\", "
		"\"value_size\": %zu, \"threads\": %u, \"durability\": \"%s\", "
		"\"cache_bytes\": %zu, \"memtable_bytes\": %zu, \"rounds\": %u },\n"
		"  \"engines\": {",
		(unsigned long long)p->num, (unsigned long long)p->reads,
		(unsigned long long)p->seeks, p->keys == KEY_RANDOM ? "random" : "decimal",
		p->value_size, p->threads, p->engine.durable ? "durable" : "process",
		p->engine.cache_bytes, p->engine.memtable_bytes, r->rounds);
	for (unsigned e = 0; e < r->engines; e++) {
		char version[64];
		bool first = true;

		r->engine[e]->version(version, sizeof(version));
		fprintf(f, "%s\n    \"%s\": {\n      \"version\": \"%s\",\n      \"workloads\": {",
			e != 0 ? "," : "", r->engine[e]->name, version);
		for (int w = 0; w < WORKLOADS; w++) {
			if (!r->figures[e][w][0].ran)
				continue;
			fprintf(f, "%s\n", first ? "" : ",");
			json_workload(f, r, e, (enum workload)w);
			first = false;
		}
		fprintf(f, "\n      }\n    }");
	}
	fprintf(f, "\n  }\n}\n");
	return fclose(f) == 0;
}
