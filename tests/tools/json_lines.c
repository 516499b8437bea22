/* json_lines: for each line of hexadecimal digits on standard input, what the scanner makes of those bytes: "-" where
 * they are no JSON, else the compact text in hexadecimal digits. To be compared with another reader of JSON. */
#include <stdio.h>
#include <stdlib.h>

#include "formats/formats.h"

static int digit(char c)
{
    return c <= '9' ? c - '0' : c - 'a' + 10;
}

int main(void)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;
    while ((n = getline(&line, &cap, stdin)) > 0) {
        size_t len = (size_t)n / 2;
        char *bytes = malloc(len ? len : 1); /* no longer than the text: a sanitizer sees what is read beyond it */
        struct at_buf compact = {0};
        if (!bytes)
            return 2;
        for (size_t i = 0; i < len; i++)
            bytes[i] = (char)(digit(line[2 * i]) << 4 | digit(line[2 * i + 1]));
        struct at_str text = {bytes, len};
        bool spaced;
        if (!at_json_check(text, &spaced)) {
            fputs("-", stdout);
        } else if (at_json_compact(&compact, text) || spaced != (compact.len < len)) {
            return 2;
        }
        for (size_t i = 0; i < compact.len; i++)
            printf("%02x", (unsigned char)compact.ptr[i]);
        putchar('\n');
        at_buf_free(&compact);
        free(bytes);
    }
    free(line);
    return 0;
}
