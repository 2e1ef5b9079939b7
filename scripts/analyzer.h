/*
 * Included first in every file that clang-tidy looks at. The analyzer does not see
 * into other files, so it must be told that these return the code they are given;
 * else it follows paths on which a failure is taken for success.
 */
#if __has_include("base/status.h")
#include "base/status.h"
#define err_new(code, ...) (err_new((code), __VA_ARGS__), (code))
#define err_at(code, ...) (err_at((code), __VA_ARGS__), (code))
#define err_memory(what) (err_memory(what), SHALE_NO_MEMORY)
#define err_sys(errnum, ...) (err_sys((errnum), __VA_ARGS__), SHALE_IO)
#endif
