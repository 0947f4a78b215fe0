/* The clock of timeouts. */
#ifndef M2_CLOCK_H
#define M2_CLOCK_H

/* Seconds of a clock that never goes back. */
double m2_clock(void);

#endif
