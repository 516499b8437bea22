/* time.c: times as text (RFC 3339) and back. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "formats/formats.h"

#define US_PER_S 1000000

void at_time_text(int64_t t_us, char out[40])
{
    int64_t s = t_us / US_PER_S, us = t_us % US_PER_S;
    if (us < 0) {
        us += US_PER_S;
        s--;
    }
    time_t seconds = (time_t)s;
    struct tm tm;
    if (!gmtime_r(&seconds, &tm)) { /* cannot happen with 64-bit time_t: 2^63 us are 292,277 years */
        snprintf(out, 40, "%lld", (long long)t_us);
        return;
    }
    int n = snprintf(out, 40, "%04lld", tm.tm_year + 1900LL); /* strftime's %Y does not fill up to four digits */
    size_t end = (size_t)n + strftime(out + n, 40 - (size_t)n, "-%m-%dT%H:%M:%S", &tm);
    snprintf(out + end, 40 - end, ".%06dZ", (int)us);
}

/* Exactly `n` digits; -1 where they are not there. */
static int digits(const char **p, int n)
{
    int value = 0;
    for (int i = 0; i < n; i++) {
        if ((*p)[i] < '0' || (*p)[i] > '9')
            return -1;
        value = value * 10 + ((*p)[i] - '0');
    }
    *p += n;
    return value;
}

static bool expect(const char **p, char c)
{
    if (**p != c)
        return false;
    (*p)++;
    return true;
}

/* "2026-11-22": year, month and day of `tm`. */
static bool parse_date(const char **p, struct tm *tm)
{
    static const int days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year = digits(p, 4);
    if (year < 0 || !expect(p, '-'))
        return false;
    int month = digits(p, 2);
    if (month < 1 || month > 12 || !expect(p, '-'))
        return false;
    int day = digits(p, 2);
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if (day < 1 || day > days[month - 1] || (month == 2 && day == 29 && !leap))
        return false;
    tm->tm_year = year - 1900;
    tm->tm_mon = month - 1;
    tm->tm_mday = day;
    return true;
}

/* "08:15", "08:15:00", "08:15:00.123456"; digits past the microsecond are dropped. */
static bool parse_clock(const char **p, struct tm *tm, int64_t *us)
{
    tm->tm_hour = digits(p, 2);
    if (tm->tm_hour < 0 || tm->tm_hour > 23 || !expect(p, ':'))
        return false;
    tm->tm_min = digits(p, 2);
    if (tm->tm_min < 0 || tm->tm_min > 59)
        return false;
    if (!expect(p, ':'))
        return true;
    tm->tm_sec = digits(p, 2);
    if (tm->tm_sec < 0 || tm->tm_sec > 60) /* 60: a leap second */
        return false;
    if (!expect(p, '.'))
        return true;
    int64_t unit = US_PER_S / 10;
    if (**p < '0' || **p > '9')
        return false;
    for (; **p >= '0' && **p <= '9'; (*p)++, unit /= 10)
        *us += (**p - '0') * unit;
    return true;
}

/* "Z" or "+08:00" or nothing (UTC): seconds to take away. */
static bool parse_zone(const char **p, int *offset_s)
{
    if (expect(p, 'Z') || expect(p, 'z') || !**p)
        return true;
    int sign = **p == '-' ? -1 : 1;
    if (!expect(p, '+') && !expect(p, '-'))
        return false;
    int hours = digits(p, 2);
    if (hours < 0 || hours > 23 || !expect(p, ':'))
        return false;
    int minutes = digits(p, 2);
    if (minutes < 0 || minutes > 59)
        return false;
    *offset_s = sign * (hours * 3600 + minutes * 60);
    return true;
}

static enum at_err parse_integer(const char *text, int64_t *t_us)
{
    char *end = NULL;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno || end == text || *end)
        return AT_BAD;
    *t_us = value;
    return AT_OK;
}

enum at_err at_time_parse(const char *text, int64_t *t_us)
{
    struct tm tm = {0};
    int64_t us = 0;
    int offset_s = 0;
    const char *p = text;
    const char *digit = text + (text[0] == '-');
    if (*digit && digit[strspn(digit, "0123456789")] == 0)
        return parse_integer(text, t_us);
    if (!parse_date(&p, &tm))
        return AT_BAD;
    if (*p) {
        if (!expect(&p, 'T') && !expect(&p, 't') && !expect(&p, ' '))
            return AT_BAD;
        if (!parse_clock(&p, &tm, &us) || !parse_zone(&p, &offset_s) || *p)
            return AT_BAD;
    }
    *t_us = ((int64_t)timegm(&tm) - offset_s) * US_PER_S + us;
    return AT_OK;
}
