/* The errMsg grammar: real wordings of each class, the oddities of each platform, and R12's name check. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "formats/formats.h"

static struct at_profile *load(const char *name)
{
    struct at_profile *p = NULL;
    for (size_t i = 0; at_profile_builtin_name(i); i++) {
        struct at_why why;
        if (at_str_eq(at_str(name), at_str(at_profile_builtin_name(i))))
            assert_int_equal(at_profile_parse(at_profile_builtin_text(i), name, &p, &why), AT_OK);
    }
    assert_non_null(p);
    return p;
}

#define NO_ERRNO INT64_MIN

struct example {
    const char *err_msg;
    int64_t err_no;
    enum at_class cls;
    const char *api; /* NULL: names none */
    const char *reason;
};

static void check(const struct at_profile *p, const struct example *e)
{
    struct at_outcome o = at_profile_outcome(p, at_str(e->err_msg), e->err_no != NO_ERRNO, e->err_no);
    if (o.cls != e->cls)
        fail_msg("%s: %s, not %s", e->err_msg, at_class_text(o.cls), at_class_text(e->cls));
    assert_int_equal(e->api == NULL, o.api.ptr == NULL);
    if (e->api && !at_str_eq(o.api, at_str(e->api)))
        fail_msg("%s names %.*s", e->err_msg, AT_STR_FMT(o.api));
    if (!at_str_eq(o.reason, at_str(e->reason)))
        fail_msg("%s: reason '%.*s'", e->err_msg, AT_STR_FMT(o.reason));
}

static void wechat(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {"getLocation:ok", NO_ERRNO, AT_CLASS_OK, "getLocation", ""},
        {"getLocation:ok extra", NO_ERRNO, AT_CLASS_OK, "getLocation", ""},
        {"wx.getLocation:ok", NO_ERRNO, AT_CLASS_OK, "getLocation", ""},
        {"RecorderManager.start:ok", NO_ERRNO, AT_CLASS_OK, "RecorderManager.start", ""},
        {"getLocation:fail auth deny", NO_ERRNO, AT_CLASS_DENIED, "getLocation", "auth deny"},
        {"getLocation:fail:auth denied", NO_ERRNO, AT_CLASS_DENIED, "getLocation", "auth denied"},
        {"getLocation:fail: auth denied", NO_ERRNO, AT_CLASS_DENIED, "getLocation", "auth denied"},
        {"getLocation:failauth deny", NO_ERRNO, AT_CLASS_DENIED, "getLocation", "auth deny"},
        {"getLocation:fail Auth Deny", NO_ERRNO, AT_CLASS_DENIED, "getLocation", "Auth Deny"},
        {"authorize:fail auth deny", 103, AT_CLASS_DENIED, "authorize", "auth deny"},
        {"authorize:fail", 103, AT_CLASS_DENIED, "authorize", ""},
        {"startRecord:fail 系统错误,错误码:-12006,auth deny", NO_ERRNO, AT_CLASS_DENIED, "startRecord",
         "系统错误,错误码:-12006,auth deny"},
        {"startRecord:fail系统错误,错误码:-12006,auth deny", NO_ERRNO, AT_CLASS_DENIED, "startRecord",
         "系统错误,错误码:-12006,auth deny"},
        {"authorize:fail authorize no response", NO_ERRNO, AT_CLASS_DENIED, "authorize", "authorize no response"},
        {"saveImageToPhotosAlbum:fail:auth canceled", NO_ERRNO, AT_CLASS_DISMISSED, "saveImageToPhotosAlbum",
         "auth canceled"},
        {"getUserInfo:fail scope unauthorized", NO_ERRNO, AT_CLASS_UNAUTHORIZED, "getUserInfo", "scope unauthorized"},
        {"getUserInfo:fail 系统错误,错误码:-12007,scope unauthorized", NO_ERRNO, AT_CLASS_UNAUTHORIZED, "getUserInfo",
         "系统错误,错误码:-12007,scope unauthorized"},
        {"getLocation:fail:system permission denied", NO_ERRNO, AT_CLASS_OS_DENIED, "getLocation",
         "system permission denied"},
        {"getLocation:fail:system permission denied", 103, AT_CLASS_OS_DENIED, "getLocation",
         "system permission denied"},
        {"getLocation:fail:ERROR_NOCELL&WIFI_LOCATIONSWITCHOFF", NO_ERRNO, AT_CLASS_OS_DENIED, "getLocation",
         "ERROR_NOCELL&WIFI_LOCATIONSWITCHOFF"},
        {"getLocation:fail 1", NO_ERRNO, AT_CLASS_OS_DENIED, "getLocation", "1"},
        {"startRecord:fail 1", NO_ERRNO, AT_CLASS_OTHER, "startRecord", "1"},
        {"getLocation:fail 12", NO_ERRNO, AT_CLASS_OTHER, "getLocation", "12"},
        {"getLocation:fail privacy permission is not authorized", 104, AT_CLASS_PRIVACY, "getLocation",
         "privacy permission is not authorized"},
        {"getLocation:fail", 104, AT_CLASS_PRIVACY, "getLocation", ""},
        {"getLocation:fail api scope is not declared in the privacy agreement", 112, AT_CLASS_PRIVACY, "getLocation",
         "api scope is not declared in the privacy agreement"},
        {"openSetting:fail can only be invoked by user TAP gesture.", NO_ERRNO, AT_CLASS_GESTURE, "openSetting",
         "can only be invoked by user TAP gesture."},
        {"authorize:fail:invalid scope", NO_ERRNO, AT_CLASS_MALFORMED, "authorize", "invalid scope"},
        {"getLocation:fail the api need to be declared in the requiredPrivateInfos field in app.json", NO_ERRNO,
         AT_CLASS_MALFORMED, "getLocation",
         "the api need to be declared in the requiredPrivateInfos field in app.json"},
        {"getLocation:fail require permission desc", NO_ERRNO, AT_CLASS_MALFORMED, "getLocation",
         "require permission desc"},
        {"getWeRunData:fail cancel", NO_ERRNO, AT_CLASS_OTHER, "getWeRunData", "cancel"},
        {"getWeRunData:fail timeout", NO_ERRNO, AT_CLASS_OTHER, "getWeRunData", "timeout"},
        {"getLocation:okay", NO_ERRNO, AT_CLASS_OTHER, NULL, ""},
        {"wx.noSuchApi not exists", NO_ERRNO, AT_CLASS_OTHER, NULL, ""},
        {"auth deny", NO_ERRNO, AT_CLASS_OTHER, NULL, ""},
        {"auth deny", 103, AT_CLASS_DENIED, NULL, ""},
        {":fail auth deny", NO_ERRNO, AT_CLASS_OTHER, NULL, ""},
        {"https://a/b:fail auth deny", NO_ERRNO, AT_CLASS_OTHER, NULL, ""},
        {"", NO_ERRNO, AT_CLASS_OTHER, NULL, ""},
    };
    static const char *const names[] = {"wechat-minigame-2018", "wechat-minigame", "wechat-miniprogram", "qq"};
    for (size_t n = 0; n < sizeof names / sizeof names[0]; n++) {
        struct at_profile *p = load(names[n]);
        for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++)
            if (n < 3 || !at_str_starts(at_str(examples[i].err_msg), AT_STR("wx.")))
                check(p, &examples[i]);
        at_profile_free(&p);
    }
}

static void douyin(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {"getUserInfo:fail auth deny", 10200, AT_CLASS_DENIED, "getUserInfo", "auth deny"},
        {"tt.getUserInfo:fail whatever", 10200, AT_CLASS_DENIED, "getUserInfo", "whatever"},
        {"getUserInfo:fail auth deny", 10502, AT_CLASS_DISMISSED, "getUserInfo", "auth deny"},
        {"getUserInfo:fail", 10201, AT_CLASS_PRIVACY, "getUserInfo", ""},
        {"getUserInfo:fail", 10202, AT_CLASS_PRIVACY, "getUserInfo", ""},
        {"getUserInfo:fail", 10301, AT_CLASS_OTHER, "getUserInfo", ""},
        {"getUserInfo:ok", 0, AT_CLASS_OK, "getUserInfo", ""},
    };
    struct at_profile *p = load("douyin");
    assert_true(p->per_device);
    for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++)
        check(p, &examples[i]);
    at_profile_free(&p);
}

static void bare_sentences(void **state)
{
    (void)state;
    static const struct example alipay[] = {
        {"", NO_ERRNO, AT_CLASS_OK, NULL, ""},
        {"getLocation:ok", NO_ERRNO, AT_CLASS_OK, "getLocation", ""},
        {"", 11, AT_CLASS_OS_DENIED, NULL, ""},
        {"用户不允许授权", 2001, AT_CLASS_DENIED, NULL, "用户不允许授权"},
        {"用户不允许授权", NO_ERRNO, AT_CLASS_DENIED, NULL, "用户不允许授权"},
        {"network is down", 12, AT_CLASS_OTHER, NULL, "network is down"},
    };
    static const struct example baidu[] = {
        {"authorize:fail user deny", 10003, AT_CLASS_DENIED, "authorize", "user deny"},
        {"", 202, AT_CLASS_DENIED, NULL, ""},
        {"getLocation:fail", 10005, AT_CLASS_OS_DENIED, "getLocation", ""},
        {"getLocation:fail system deny", NO_ERRNO, AT_CLASS_OS_DENIED, "getLocation", "system deny"},
    };
    struct at_profile *p = load("alipay");
    for (size_t i = 0; i < sizeof alipay / sizeof alipay[0]; i++)
        check(p, &alipay[i]);
    at_profile_free(&p);
    p = load("baidu");
    for (size_t i = 0; i < sizeof baidu / sizeof baidu[0]; i++)
        check(p, &baidu[i]);
    at_profile_free(&p);
}

static void known(void **state)
{
    (void)state;
    struct at_profile *p = load("wechat-minigame-2018");
    assert_true(at_profile_outcome(p, AT_STR("getLocation:fail timeout"), false, 0).known);
    assert_false(at_profile_outcome(p, AT_STR("getLocation:fail the moon is full"), false, 0).known);
    assert_false(at_profile_outcome(p, AT_STR("no grammar"), false, 0).known);
    assert_int_equal(at_profile_outcome(p, (struct at_str){0}, false, 0).cls, AT_CLASS_OTHER);
    at_profile_free(&p);
}

static void names(void **state)
{
    (void)state;
    struct at_profile *p = load("wechat-minigame-2018");
    assert_true(at_profile_same_api(p, AT_STR("getLocation"), AT_STR("getLocation")));
    assert_true(at_profile_same_api(p, AT_STR("getLocation"), AT_STR("wx.getLocation")));
    assert_false(at_profile_same_api(p, AT_STR("getLocation"), AT_STR("tt.getLocation")));
    assert_false(at_profile_same_api(p, AT_STR("getLocation"), AT_STR("getlocation")));
    assert_true(at_profile_same_api(p, AT_STR("RecorderManager.start"), AT_STR("operateRecorder")));
    assert_false(at_profile_same_api(p, AT_STR("operateRecorder"), AT_STR("RecorderManager.start")));
    assert_false(at_profile_same_api(p, AT_STR("getUserInfo"), AT_STR("operateRecorder")));
    at_profile_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wechat), cmocka_unit_test(douyin), cmocka_unit_test(bare_sentences),
        cmocka_unit_test(known),  cmocka_unit_test(names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
