/* Whole files: written aside and renamed, nothing left behind, full devices and closed pipes; whole files read. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "formats/formats.h"

static char folder[] = "/tmp/authtape-output.XXXXXX";

static int enter(void **state)
{
    (void)state;
    strcpy(strrchr(folder, '.'), ".XXXXXX");
    return mkdtemp(folder) && !chdir(folder) ? 0 : -1;
}

/* What is in the folder, "NAME NAME …" where there is one of them; removes all of it. */
static void check_folder(const char *names)
{
    char text[1000] = "";
    DIR *d = opendir(".");
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));)
        if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..")) {
            snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", *text ? " " : "", e->d_name);
            assert_int_equal(remove(e->d_name), 0);
        }
    closedir(d);
    assert_string_equal(text, names);
}

static int leave(void **state)
{
    (void)state;
    check_folder("");
    return chdir("/") || rmdir(folder);
}

static void put(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void check_file(const char *path, const char *text)
{
    struct at_buf b = {0};
    assert_int_equal(at_read_file(path, 1000, &b, NULL), AT_OK);
    assert_true(at_str_eq(at_buf_view(&b), at_str(text)));
    at_buf_free(&b);
}

static void a_file_is_there_whole_or_not_at_all(void **state)
{
    (void)state;
    struct at_output *o = NULL;
    struct at_why why;
    assert_int_equal(at_output_open("new", &o, &why), AT_OK);
    assert_int_equal(at_output_hold(o, &why), AT_OK);
    assert_int_equal(at_output_write(o, "one ", 4, &why), AT_OK);
    assert_int_equal(access("new", F_OK), -1);
    assert_int_equal(at_output_write(o, NULL, 0, &why), AT_OK);
    assert_int_equal(at_output_write(o, "two", 3, &why), AT_OK);
    assert_int_equal(at_output_commit(o, &why), AT_OK);
    at_output_close(&o);
    assert_null(o);
    at_output_close(&o);
    check_file("new", "one two");
    check_folder("new");
}

static void closed_without_commit_leaves_what_was(void **state)
{
    (void)state;
    struct at_output *o = NULL;
    put("old", "old");
    assert_int_equal(at_output_open("old", &o, NULL), AT_OK);
    assert_int_equal(at_output_write(o, "new", 3, NULL), AT_OK);
    at_output_close(&o);
    check_file("old", "old");
    assert_int_equal(at_output_open("./none", &o, NULL), AT_OK);
    at_output_close(&o);
    check_folder("old");
}

static void a_file_is_replaced_with_its_mode_behind_its_link(void **state)
{
    (void)state;
    struct at_output *o = NULL;
    struct stat st;
    put("old", "old");
    assert_int_equal(chmod("old", 0640), 0);
    assert_int_equal(symlink("old", "link"), 0);
    assert_int_equal(at_output_open("link", &o, NULL), AT_OK);
    assert_int_equal(at_output_write(o, "new", 3, NULL), AT_OK);
    assert_int_equal(at_output_commit(o, NULL), AT_OK);
    at_output_close(&o);
    check_file("old", "new");
    assert_int_equal(lstat("link", &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_int_equal(stat("old", &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    assert_int_equal(unlink("link"), 0);
    check_folder("old");
}

static void check_open_fails(const char *path, const char *reason)
{
    struct at_output *o = NULL;
    struct at_why why = {""};
    assert_int_equal(at_output_open(path, &o, &why), AT_IO);
    assert_null(o);
    assert_string_equal(why.text, reason);
}

static void what_cannot_be_opened(void **state)
{
    (void)state;
    check_open_fails(".", "cannot create: Is a directory");
    check_open_fails("none/new", "cannot create: No such file or directory");
    check_open_fails("", "cannot create: No such file or directory");
    put("file", "");
    check_open_fails("file/new", "cannot create: Not a directory");
    check_folder("file");
}

static void the_longest_name(void **state)
{
    (void)state;
    struct at_output *o = NULL;
    char name[256];
    memset(name, 'n', 255);
    name[255] = 0;
    assert_int_equal(at_output_open(name, &o, NULL), AT_OK);
    assert_int_equal(at_output_commit(o, NULL), AT_OK);
    at_output_close(&o);
    check_folder(name);
}

static void a_commit_that_fails_leaves_nothing(void **state)
{
    (void)state;
    struct at_output *o = NULL;
    struct at_why why = {""};
    assert_int_equal(at_output_open("new", &o, NULL), AT_OK);
    assert_int_equal(at_output_write(o, "x", 1, NULL), AT_OK);
    assert_int_equal(mkdir("new", 0700), 0); /* a file cannot take its place */
    assert_int_equal(at_output_commit(o, &why), AT_IO);
    assert_string_equal(why.text, "cannot rename: Is a directory");
    at_output_close(&o);
    check_folder("new");
}

static void a_full_device(void **state)
{
    (void)state;
    struct at_output *o = NULL;
    struct at_why why = {""};
    if (access("/dev/full", W_OK))
        skip();
    assert_int_equal(at_output_open("/dev/full", &o, &why), AT_OK);
    assert_int_equal(at_output_write(o, "x", 1, &why), AT_IO);
    assert_string_equal(why.text, "cannot write: No space left on device");
    at_output_close(&o);
    assert_int_equal(at_output_open("/dev/full", &o, &why), AT_OK);
    assert_int_equal(at_output_hold(o, &why), AT_OK);
    assert_int_equal(at_output_write(o, "x", 1, &why), AT_OK);
    assert_int_equal(at_output_commit(o, &why), AT_IO);
    assert_string_equal(why.text, "cannot write: No space left on device");
    at_output_close(&o);
}

static void a_pipe(void **state)
{
    (void)state;
    struct at_output *o = NULL;
    struct at_why why = {""};
    char text[8] = "";
    int ends[2];
    char path[40];
    void (*before)(int) = signal(SIGPIPE, SIG_IGN);
    assert_int_equal(pipe(ends), 0);
    snprintf(path, sizeof path, "/dev/fd/%d", ends[1]);
    if (at_output_open(path, &o, &why)) {
        close(ends[0]);
        close(ends[1]);
        skip(); /* no /dev/fd */
    }
    assert_int_equal(at_output_write(o, "ab", 2, &why), AT_OK); /* in place: at once */
    assert_int_equal(read(ends[0], text, sizeof text), 2);
    assert_string_equal(text, "ab");
    assert_int_equal(at_output_hold(o, &why), AT_OK);
    assert_int_equal(at_output_write(o, "cd", 2, &why), AT_OK); /* held: at the commit */
    assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    assert_int_equal(read(ends[0], text, sizeof text), -1);
    assert_int_equal(at_output_commit(o, &why), AT_OK);
    assert_int_equal(read(ends[0], text, sizeof text), 2);
    assert_string_equal(text, "cd");
    close(ends[0]);
    assert_int_equal(at_output_commit(o, &why), AT_CLOSED);
    assert_string_equal(why.text, "closed by its reader");
    at_output_close(&o);
    close(ends[1]);
    signal(SIGPIPE, before);
}

static void whole_files_are_read(void **state)
{
    (void)state;
    struct at_buf b = {0};
    struct at_why why = {""};
    put("file", "12345");
    assert_int_equal(at_read_file("file", 5, &b, &why), AT_OK);
    assert_true(at_str_eq(at_buf_view(&b), AT_STR("12345")));
    at_buf_free(&b);
    assert_int_equal(at_read_file("file", 4, &b, &why), AT_LIMIT);
    assert_string_equal(why.text, "larger than 4 bytes");
    assert_null(b.ptr);
    assert_int_equal(at_read_file("/dev/zero", 1000000, &b, &why), AT_LIMIT);
    assert_int_equal(at_read_file("none", 5, &b, &why), AT_IO);
    assert_string_equal(why.text, "cannot open: No such file or directory");
    assert_int_equal(at_read_file(".", 5, &b, &why), AT_IO);
    assert_string_equal(why.text, "cannot read: Is a directory");
    check_folder("file");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, enter, leave)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_file_is_there_whole_or_not_at_all),
        TEST(closed_without_commit_leaves_what_was),
        TEST(a_file_is_replaced_with_its_mode_behind_its_link),
        TEST(what_cannot_be_opened),
        TEST(the_longest_name),
        TEST(a_commit_that_fails_leaves_nothing),
        TEST(a_full_device),
        TEST(a_pipe),
        TEST(whole_files_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
