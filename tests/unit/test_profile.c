/* Profiles: the built-in ones against the documents' tables, what is refused and where, and the lookups. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "formats/formats.h"

static struct at_profile *load(const char *name)
{
    struct at_profile *p = NULL;
    struct at_why why = {{0}};
    if (at_profile_load(name, &p, &why))
        fail_msg("%s", why.text);
    return p;
}

static void all_builtins_load(void **state)
{
    (void)state;
    static const char *const names[] = {
        "wechat-minigame-2018", "wechat-minigame", "wechat-miniprogram", "douyin", "alipay", "baidu", "qq"};
    assert_int_equal(at_profile_builtin_count(), sizeof names / sizeof names[0]);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct at_profile *p = load(names[i]);
        assert_true(at_str_eq(p->name, at_str(names[i])));
        assert_int_equal(at_profile_api(p, AT_STR("authorize")).kind, AT_API_AUTHORIZE);
        assert_int_equal(at_profile_api(p, AT_STR("getSetting")).kind, AT_API_GET_SETTING);
        assert_int_equal(at_profile_api(p, AT_STR("openSetting")).kind, AT_API_OPEN_SETTING);
        assert_int_equal(at_profile_api(p, AT_STR("login")).kind, AT_API_OTHER);
        assert_int_equal(p->quiet_ms, 2000);
        assert_int_equal(p->concurrent, AT_CONCURRENT_JOIN);
        assert_false(p->dismiss_denies);
        at_profile_free(&p);
        assert_null(p);
    }
    assert_null(at_profile_builtin_name(sizeof names / sizeof names[0]));
}

/* The table of the source document, to the letter. */
static void the_2018_table(void **state)
{
    (void)state;
    static const struct {
        const char *scope, *api;
    } table[] = {
        {"scope.userInfo", "getUserInfo"},         {"scope.userLocation", "getLocation"},
        {"scope.werun", "getWeRunData"},           {"scope.record", "startRecord"},
        {"scope.record", "RecorderManager.start"}, {"scope.writePhotosAlbum", "saveImageToPhotosAlbum"},
    };
    struct at_profile *p = load(AT_DEFAULT_PROFILE);
    size_t apis = 0;
    assert_int_equal(p->n_scopes, 5);
    for (size_t i = 0; i < p->n_scopes; i++) {
        apis += p->scopes[i].n_apis;
        assert_true(p->scopes[i].prompts);
        assert_false(p->scopes[i].exempt);
    }
    assert_int_equal(apis, 6);
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        size_t s = at_profile_find_scope(p, at_str(table[i].scope));
        struct at_api api = at_profile_api(p, at_str(table[i].api));
        assert_int_not_equal(s, AT_NO_SCOPE);
        assert_int_equal(api.kind, AT_API_GATED);
        assert_int_equal(api.scopes, (uint64_t)1 << s);
    }
    assert_int_equal(at_profile_find_scope(p, AT_STR("scope.camera")), AT_NO_SCOPE);
    assert_int_equal(at_profile_find_scope(p, AT_STR("record")), AT_NO_SCOPE);
    at_profile_free(&p);
}

/* A narrow profile knows one scope, and of an API that takes several only that it is gated by this one. */
static void narrow(void **state)
{
    struct at_profile *p, *one;
    (void)state;
    assert_int_equal(at_profile_load("wechat-miniprogram", &p, NULL), AT_OK);
    for (size_t s = 0; s < p->n_scopes; s++) {
        assert_int_equal(at_profile_narrow(p, s, &one), AT_OK);
        assert_int_equal(one->n_scopes, 1);
        assert_true(at_str_eq(one->scopes[0].name, p->scopes[s].name));
        for (size_t other = 0; other < p->n_scopes; other++)
            assert_int_equal(at_profile_find_scope(one, p->scopes[other].name), other == s ? 0 : AT_NO_SCOPE);
        for (const char *const *api = (const char *const[]){"authorize", "getLocation", "joinVoIPChat", "login", NULL};
             *api; api++) {
            struct at_api wide = at_profile_api(p, at_str(*api)), of_one = at_profile_api(one, at_str(*api));
            assert_int_equal(of_one.kind, wide.kind);
            assert_int_equal(of_one.scopes, wide.scopes >> s & 1);
        }
        at_profile_free(&one);
    }
    assert_true(at_profile_find_scope(p, p->scopes[0].name) == 0);
    at_profile_free(&p);
}

static void scopes_that_are_special(void **state)
{
    (void)state;
    struct at_profile *p = load("wechat-miniprogram");
    assert_true(p->scopes[at_profile_find_scope(p, AT_STR("scope.address"))].exempt);
    assert_false(p->scopes[at_profile_find_scope(p, AT_STR("scope.userLocationBackground"))].prompts);
    at_profile_free(&p);
    p = load("wechat-minigame");
    assert_false(p->scopes[at_profile_find_scope(p, AT_STR("scope.userInfo"))].prompts);
    at_profile_free(&p);
    p = load("alipay");
    assert_int_equal(at_profile_find_scope(p, AT_STR("location")), at_profile_find_scope(p, AT_STR("scope.location")));
    assert_int_not_equal(at_profile_find_scope(p, AT_STR("location")), AT_NO_SCOPE);
    at_profile_free(&p);
}

#define MINIMAL(scopes, policies, failures)                                                                            \
    "{\"schema\":\"authtape.profile/1\",\"name\":\"x\",\"title\":\"X\",\"scopes\":" scopes ",\"policies\":" policies   \
    ",\"apis\":{\"authorize\":[\"a\"],\"getSetting\":[\"g\"],\"openSetting\":[\"o\"]},\"answers\":{"                   \
    "\"failures\":" failures "}}"
#define ONE "[{\"name\":\"s\",\"apis\":[\"x\"]}]"

static void refused(const char *json, const char *place)
{
    struct at_profile *p = NULL;
    struct at_why why = {{0}};
    assert_int_equal(at_profile_parse(at_str(json), NULL, &p, &why), AT_BAD);
    assert_null(p);
    size_t n = strlen(why.text), m = strlen(place);
    if (n < m || strcmp(why.text + n - m, place) != 0)
        fail_msg("'%s' does not end in '%s'", why.text, place);
}

static void what_is_refused(void **state)
{
    (void)state;
    struct at_profile *p = NULL;
    assert_int_equal(at_profile_parse(at_str(MINIMAL(ONE, "{}", "[]")), NULL, &p, NULL), AT_OK);
    at_profile_free(&p);
    refused("", "line 1, column 1");
    refused("{\n \"a\": }", "line 2, column 7");
    refused("[]", "at the top");
    refused("{}", "at the top");
    refused("{\"schema\":\"authtape.profile/2\"}", "at /schema");
    refused("{\"nam\":\"x\"}", "did you mean 'name'?, at /nam");
    refused("{\"a~/b\":1}", "at /a~0~1b");
    refused("{\"name\":\"x\",\"name\":\"y\"}", "at /name");
    refused(MINIMAL("[]", "{}", "[]"), "at /scopes");
    refused(MINIMAL("[{\"name\":\"s\"}]", "{}", "[]"), "at /scopes/0");
    refused(MINIMAL("[{\"name\":\"\",\"apis\":[]}]", "{}", "[]"), "at /scopes/0/name");
    refused(MINIMAL("[{\"name\":\"s\",\"apis\":[]},{\"name\":\"s\",\"apis\":[]}]", "{}", "[]"), "at /scopes/1/name");
    refused(MINIMAL("[{\"name\":\"s\",\"apis\":[\"x\",3]}]", "{}", "[]"), "at /scopes/0/apis/1");
    refused(MINIMAL("[{\"name\":\"s\",\"apis\":[\"x\",\"x\"]}]", "{}", "[]"), "at /scopes/0/apis/1");
    refused(MINIMAL("[{\"name\":\"s\",\"apis\":[\"a\"]}]", "{}", "[]"), "at /apis/authorize/0");
    refused(MINIMAL("[{\"name\":\"s\",\"apis\":[],\"prompts\":1}]", "{}", "[]"), "at /scopes/0/prompts");
    refused(MINIMAL(ONE, "{\"concurrent\":\"wait\"}", "[]"), "at /policies/concurrent");
    refused(MINIMAL(ONE, "{\"quiet_ms\":-1}", "[]"), "at /policies/quiet_ms");
    refused(MINIMAL(ONE, "{\"quiet_ms\":1.5}", "[]"), "at /policies/quiet_ms");
    refused(MINIMAL(ONE, "{\"quiet_ms\":1e300}", "[]"), "at /policies/quiet_ms");
    refused(MINIMAL(ONE, "{\"lacks\":\"R5\"}", "[]"), "at /policies/lacks");
    refused(MINIMAL(ONE, "{\"lacks\":[\"R5\",5]}", "[]"), "at /policies/lacks/1");
    refused(MINIMAL(ONE, "{\"lacks\":[\"R5\",\"R6\",\"R5\"]}", "[]"), "at /policies/lacks/2");
    refused(MINIMAL(ONE, "{\"lacks\":[\"R16\"]}", "[]"), "at /policies/lacks/0");
    refused(MINIMAL(ONE, "{}", "[{\"class\":\"denied\"}]"), "at /answers/failures/0");
    refused(MINIMAL(ONE, "{}", "[{\"class\":\"refused\",\"errno\":[1]}]"), "at /answers/failures/0/class");
    refused(MINIMAL(ONE, "{}", "[{\"class\":\"denied\",\"errno\":[1,\"2\"]}]"), "at /answers/failures/0/errno/1");
}

/* Every rule that a platform can be without, and no other. */
static void rules_that_are_lacking(void **state)
{
    (void)state;
    static const unsigned can[] = {2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15};
    struct at_profile *p = NULL;
    assert_int_equal(
        at_profile_parse(
            at_str(MINIMAL(
                ONE, "{\"lacks\":[\"R2\",\"R3\",\"R4\",\"R5\",\"R6\",\"R7\",\"R8\",\"R9\",\"R10\",\"R12\",\"R15\"]}",
                "[]")),
            NULL, &p, NULL),
        AT_OK);
    for (unsigned rule = 0, i = 0; rule < 32; rule++) {
        bool one = i < sizeof can / sizeof can[0] && can[i] == rule;
        assert_int_equal(at_profile_lacks(p, rule), one);
        i += one;
    }
    at_profile_free(&p);
    assert_int_equal(at_profile_parse(at_str(MINIMAL(ONE, "{}", "[]")), NULL, &p, NULL), AT_OK);
    assert_int_equal(p->lacks, 0);
    at_profile_free(&p);
}

static void at_most_64_scopes(void **state)
{
    (void)state;
    for (int n = 64; n <= 65; n++) {
        struct at_buf scopes = {0};
        struct at_profile *p = NULL;
        struct at_why why = {{0}};
        assert_int_equal(at_buf_printf(&scopes, "{\"schema\":\"authtape.profile/1\",\"name\":\"x\",\"title\":\"X\","
                                                "\"apis\":{\"authorize\":[],\"getSetting\":[],\"openSetting\":[]},"
                                                "\"answers\":{\"failures\":[]},\"scopes\":["),
                         AT_OK);
        for (int i = 0; i < n; i++)
            assert_int_equal(at_buf_printf(&scopes, "%s{\"name\":\"s%d\",\"apis\":[\"all\"]}", i ? "," : "", i), AT_OK);
        assert_int_equal(at_buf_printf(&scopes, "]}"), AT_OK);
        enum at_err err = at_profile_parse(at_buf_view(&scopes), NULL, &p, &why);
        assert_int_equal(err, n == 64 ? AT_OK : AT_BAD);
        if (p)
            assert_int_equal(at_profile_api(p, AT_STR("all")).scopes, UINT64_MAX);
        at_profile_free(&p);
        at_buf_free(&scopes);
    }
}

static void unknown_names(void **state)
{
    (void)state;
    struct at_profile *p = NULL;
    struct at_why why = {{0}};
    assert_int_equal(at_profile_load("wechat-minigme", &p, &why), AT_NOTFOUND);
    assert_string_equal(why.text, "no profile 'wechat-minigme'; did you mean 'wechat-minigame'?");
    assert_int_equal(at_profile_load("zzzzzz", &p, &why), AT_NOTFOUND);
    assert_int_equal(at_profile_load("./no/such/file.json", &p, &why), AT_IO);
    assert_non_null(strstr(why.text, "./no/such/file.json: "));
    assert_null(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(narrow),
        cmocka_unit_test(all_builtins_load),
        cmocka_unit_test(the_2018_table),
        cmocka_unit_test(scopes_that_are_special),
        cmocka_unit_test(what_is_refused),
        cmocka_unit_test(rules_that_are_lacking),
        cmocka_unit_test(at_most_64_scopes),
        cmocka_unit_test(unknown_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
