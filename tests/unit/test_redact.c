/* What is left of an event: words that tell on somebody are masked, words that classes are made of are not. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "formats/formats.h"

static struct at_redactor *redactor(bool redact)
{
    const struct at_redact_options options = {.redact = redact};
    struct at_redactor *r = NULL;
    struct at_why why;
    if (at_redactor_new(&options, &r, &why))
        skip(); /* a build without nettle */
    return r;
}

static struct at_event answer(const char *err_msg, const char *extra)
{
    return (struct at_event){.kind = AT_KIND_RETURN,
                             .app = AT_STR("wx1"),
                             .user = AT_STR("o1"),
                             .stream = AT_STR("s"),
                             .call = AT_STR("1"),
                             .has = AT_HAS_CALL,
                             .err_msg = at_str(err_msg),
                             .extra = at_str(extra)};
}

static void check_words(struct at_redactor *r, const char *before, const char *after)
{
    struct at_event ev = answer(before, NULL), out;
    assert_int_equal(at_redact(r, &ev, &out), AT_OK);
    assert_int_equal(out.err_msg.len, strlen(after));
    assert_memory_equal(out.err_msg.ptr, after, strlen(after));
}

static void words_of_answers(void **state)
{
    struct at_redactor *r = redactor(true);
    (void)state;
    /* Wordings that platforms have, with codes. */
    check_words(r, "getLocation:fail:auth denied", "getLocation:fail:auth denied");
    check_words(r, "getLocation:fail:系统错误,错误码:-12006,auth deny",
                "getLocation:fail:系统错误,错误码:-12006,auth deny");
    check_words(r, "chooseImage:fail 10001 (errno 1300001)", "chooseImage:fail 10001 (errno *)");
    check_words(r, "getUserInfo:fail can only be invoked by user TAP gesture.",
                "getUserInfo:fail can only be invoked by user TAP gesture.");
    check_words(r, "login:fail v3.10.2", "login:fail v3.10.2");
    check_words(r, "getSetting:ok", "getSetting:ok");
    /* What tells on somebody. */
    check_words(r, "call:fail number 13812345678 is busy", "call:fail number * is busy");
    check_words(r, "openLocation:fail at 31.2304,-121.47370", "openLocation:fail at *,*");
    check_words(r, "share:fail to xiao.ming@example.cn: bounced", "share:fail to *: bounced");
    check_words(r, "request:fail 192.168.1.77 refused", "request:fail * refused");
    check_words(r, "saveFile:fail wxfile://tmp_9f86d081884c7d65.jpg", "saveFile:fail wxfile://*");
    check_words(r, "login:fail wx8d1f0aa0b3c4e5f6 is banned", "login:fail * is banned");
    at_redactor_free(&r);
}

static void check_extra(bool redact, const char *before, const char *after)
{
    struct at_redactor *r = redactor(redact);
    struct at_event ev = answer("a:ok", before), out;
    assert_int_equal(at_redact(r, &ev, &out), AT_OK);
    assert_true(after ? at_str_eq(out.extra, at_str(after)) : !out.extra.ptr);
    at_redactor_free(&r);
}

static void unknown_fields(void **state)
{
    (void)state;
    check_extra(false, "{\"page\":\"/index\",\"nickName\":\"x\"}", "{\"page\":\"/index\"}");
    check_extra(false, "{\"a\":[{\"b\":{\"latitude\":1}}]}", NULL);
    check_extra(false, "{\"a\":\"{\\\"phoneNumber\\\":1}\"}", NULL);
    check_extra(false, "{\"\\u0063ode\":\"x\",\"code2\":1}", "{\"code2\":1}");
    check_extra(false, "{\"iv\":1,\"div\":2,\"code\":3}", "{\"div\":2}");
    check_extra(true, "{\"page\":\"/index\",\"seq\":7,\"total\":{\"gaps\":2,\"lost_bytes\":5}}",
                "{\"seq\":7,\"total\":{\"gaps\":2,\"lost_bytes\":5}}");
    check_extra(true, "{\"seq\":\"oPERSON\",\"total\":{\"gaps\":\"oPERSON\"},\"late_us\":\"x\",\"args\":{\"a\":1}}",
                NULL);
}

static void pseudonyms(void **state)
{
    struct at_redactor *r = redactor(true), *other = redactor(true);
    struct at_event ev = answer("a:ok", NULL), out, again;
    char first[32];
    (void)state;
    assert_int_equal(at_redact(r, &ev, &out), AT_OK);
    assert_int_equal(out.user.len, 21);
    memcpy(first, out.user.ptr, 21);
    for (unsigned i = 0; i < 1000; i++) { /* the same in between thousands of others */
        char name[16];
        ev.user = (struct at_str){name, (size_t)snprintf(name, sizeof name, "o%u", i)};
        assert_int_equal(at_redact(r, &ev, &again), AT_OK);
        assert_int_equal(again.user.len, 21);
        assert_true((i == 1) == !memcmp(first, again.user.ptr, 21));
    }
    ev.user = AT_STR("o1");
    assert_int_equal(at_redact(other, &ev, &again), AT_OK);
    assert_true(memcmp(first, again.user.ptr, 21) != 0); /* every run has a key of its own */
    ev.user = AT_STR("s"), ev.stream = AT_STR("s"), ev.app = AT_STR("s");
    assert_int_equal(at_redact(r, &ev, &out), AT_OK);
    assert_true(memcmp(out.user.ptr + 1, out.app.ptr + 1, 20) && memcmp(out.user.ptr + 1, out.stream.ptr + 1, 20));
    at_redactor_free(&r);
    at_redactor_free(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_of_answers),
        cmocka_unit_test(unknown_fields),
        cmocka_unit_test(pseudonyms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
