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
// `ppoll` is seen by those only who ask for GNU's extensions, which Swift's importer does not.
#include <poll.h>
#include <time.h>
static inline int registry_poll_for(struct pollfd *entry, long nanoseconds) {
  extern int ppoll(struct pollfd *, unsigned long, const struct timespec *, const void *);
  struct timespec limit = {nanoseconds / 1000000000, nanoseconds % 1000000000};
  return ppoll(entry, 1, &limit, 0);
}
#endif

// How many decrypted bytes the TLS library holds that libpq has not read, where no poll sees them; 0 without TLS, -1 where
// it cannot be told. libpq brings the TLS library with it, but not its headers.
static inline int registry_tls_pending(PGconn *connection) {
#if defined(__linux__)
  extern void *dlsym(void *, const char *);
  void *tls = PQsslStruct(connection, "OpenSSL");
  if (!tls) return 0;
  int (*pending)(const void *) = (int (*)(const void *))dlsym(0, "SSL_pending");
  return pending ? pending(tls) : -1;
#else
  return PQsslInUse(connection) ? -1 : 0;
#endif
}

#ifndef LIBPQ_HAS_PIPELINING
#error "libpq 14 or newer is needed, for its pipeline mode"
#endif
