#include <shale/shale.h>
#include <stdio.h>

int main(void)
{
	shale_db *db;
	shale_value value;

	if (shale_open("hello.shale", NULL, &db) != SHALE_OK ||
	    shale_put(db, NULL, shale_str("slate"), shale_str("splits along one plane")) !=
		    SHALE_OK ||
	    shale_get(db, NULL, shale_str("slate"), &value) != SHALE_OK)
		return fprintf(stderr, "%s\n", shale_last_error()->text), 1;
	printf("%.*s\n", (int)value.size, (const char *)value.data);
	shale_value_release(&value);
	return shale_close(db) != SHALE_OK;
}
