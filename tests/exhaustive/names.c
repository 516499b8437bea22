/* names.c: the names of scopes, APIs and answers, and the policy options. */
#include <stdlib.h>
#include <string.h>

#include "history.h"
#include "names.h"

const char *const scope_names[SCOPES] = {"userInfo", "userLocation", "record", "werun", "writePhotosAlbum"};
const char *const scope_apis[SCOPES] = {"getUserInfo", "getLocation", "startRecord", "getWeRunData",
                                        "saveImageToPhotosAlbum"};
const char *const answer_names[3] = {"allow", "deny", "dismiss"};
const char *const outcome_names[5] = {"ok", "denied", "dismissed", "unauthorized", "other"};
const char *const sight_names[4] = {"prompts", "decisions", "settings", "resets"};

int find_name(const char *const *names, int n, const char *name)
{
    for (int i = 0; i < n; i++)
        if (!strcmp(names[i], name))
            return i;
    return -1;
}

uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static bool scope_option(const char *name, uint8_t *mask)
{
    int s = find_name(scope_names, SCOPES, name);
    if (s >= 0)
        *mask |= (uint8_t)(1 << s);
    return s >= 0;
}

/* "R5" */
static bool lacks_option(const char *name, uint32_t *mask)
{
    long rule = name[0] == 'R' ? strtol(name + 1, NULL, 10) : 0;
    if (rule < 1 || rule > 16)
        return false;
    *mask |= 1u << rule;
    return true;
}

bool policy_option(struct policy *p, int argc, char **argv, int *i)
{
    static const char *const concurrent[] = {"join", "queue", "reprompt"};
    static const char *const dismiss[] = {"unasked", "denied"};
    const char *name = argv[*i];
    if (!strcmp(name, "--other-devices"))
        return p->other_devices = true;
    if (!strcmp(name, "--per-device"))
        return p->per_device = true;
    if (!strcmp(name, "--strict"))
        return p->strict = true;
    if (*i + 1 >= argc)
        return false;
    const char *value = argv[++*i];
    int at;
    if (!strcmp(name, "--concurrent")) {
        at = find_name(concurrent, 3, value);
        p->concurrent = at < 0 ? JOIN : (enum concurrent)at;
        return at >= 0;
    }
    if (!strcmp(name, "--dismiss")) {
        at = find_name(dismiss, 2, value);
        p->dismiss_denies = at == 1;
        return at >= 0;
    }
    if (!strcmp(name, "--quiet-ms")) {
        p->quiet_us = strtoll(value, NULL, 10) * 1000;
        return true;
    }
    if (!strcmp(name, "--silent"))
        return scope_option(value, &p->silent);
    if (!strcmp(name, "--exempt"))
        return scope_option(value, &p->exempt);
    if (!strcmp(name, "--lacks"))
        return lacks_option(value, &p->lacks);
    --*i;
    return false;
}
