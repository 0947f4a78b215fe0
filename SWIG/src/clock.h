/* The clock of timeouts. */
#ifndef M2_CLOCK_H
#define M2_CLOCK_H

/* Return the seconds of a monotonic clock. */
double m2_clock(void);

#endif
