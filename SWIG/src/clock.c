#ifdef _WIN32
#include <windows.h>
#else
#include <time.h>
#endif

#include "clock.h"

double m2_clock(void)
{
#ifdef _WIN32
    return (double)GetTickCount64() / 1e3;
#else
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
#endif
}
