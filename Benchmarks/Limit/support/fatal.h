#ifndef LIMIT_FATAL_H
#define LIMIT_FATAL_H

/// Prints one line to standard error and ends the program with status 2.
_Noreturn void fatal(const char *format, ...) __attribute__((format(printf, 1, 2)));

/// The same, followed by what `errno` says.
_Noreturn void fatal_errno(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
