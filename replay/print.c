/* print.c: what the formats share. */
#include "replay/print.h"

#include <stdio.h>
#include <string.h>

const struct print_format *print_format_find(const char *name)
{
    static const struct print_format *const formats[] = {&print_text, &print_json, &print_ndjson, &print_junit,
                                                         &print_sarif};
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++)
        if (!strcmp(formats[i]->name, name))
            return formats[i];
    return NULL;
}

void print_free(struct print *p)
{
    at_output_close(&p->output);
    at_buf_free(&p->line);
    at_buf_free(&p->excerpt);
    at_buf_free(&p->findings);
    at_buf_free(&p->inferred);
    at_buf_free(&p->hints);
}

enum at_err print_line(struct print *p)
{
    if (p->output) {
        enum at_err err = at_output_write(p->output, p->line.ptr, p->line.len, &p->output_why);
        p->line.len = 0;
        return err;
    }
    fwrite(p->line.ptr, 1, p->line.len, stdout);
    p->line.len = 0;
    return fflush(stdout) ? AT_CLOSED : AT_OK;
}

enum at_err print_separator(struct at_buf *list, const char *sep)
{
    return list->len ? at_buf_str(list, at_str(sep)) : AT_OK;
}
