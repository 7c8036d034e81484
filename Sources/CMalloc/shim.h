#ifndef REGISTRY_CMALLOC_SHIM_H
#define REGISTRY_CMALLOC_SHIM_H

#include <stdlib.h>
#if defined(__GLIBC__)
#include <malloc.h>
#endif

/// Lets no more than so many arenas share the threads' allocations, unless MALLOC_ARENA_MAX says how many (mallopt(3)). Returns
/// whether it was done: another C library has none.
static inline int registry_limit_arenas(int count) {
#if defined(__GLIBC__)
  return getenv("MALLOC_ARENA_MAX") == NULL && mallopt(M_ARENA_MAX, count) == 1;
#else
  (void)count;
  return 0;
#endif
}

#endif
