#pragma once
// Debian's libpq-dev brings no pkg-config, so its include directory must be found here.
#if __has_include(<libpq-fe.h>)
#include <libpq-fe.h>
#else
#include <postgresql/libpq-fe.h>
#endif
#if defined(__linux__)
// Swift's Glibc module leaves these two out.
#include <sys/epoll.h>
#include <sys/eventfd.h>
#endif

#ifndef LIBPQ_HAS_PIPELINING
#error "libpq 14 or newer is needed, for its pipeline mode"
#endif
