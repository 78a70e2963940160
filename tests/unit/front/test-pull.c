/* SPDX-License-Identifier: Apache-2.0 */
/* The operations that open, pull and close an enumeration, over CIM-XML. */
#include "cimxml_fake.h"
#include "util/num.h"

#define MAX(n) IPARAM("MaxObjectCount", "<VALUE>" n "</VALUE>")
#define END                                                                                        \
    "<PARAMVALUE NAME=\"EndOfSequence\" PARAMTYPE=\"boolean\"><VALUE>TRUE</VALUE></PARAMVALUE>"    \
    "<PARAMVALUE NAME=\"EnumerationContext\" PARAMTYPE=\"string\"><VALUE></VALUE></PARAMVALUE>"    \
    "</IMETHODRESPONSE>"
#define MORE                                                                                       \
    "<PARAMVALUE NAME=\"EndOfSequence\" PARAMTYPE=\"boolean\"><VALUE>FALSE</VALUE></PARAMVALUE>"   \
    "<PARAMVALUE NAME=\"EnumerationContext\" PARAMTYPE=\"string\"><VALUE>"

/* ICALL of a name and parameters known at run time. */
static void send(struct fixture *f, const char *name, const char *params)
{
    char body[8192];
    snprintf(body, sizeof body, REQ("<IMETHODCALL NAME=\"%s\">" NS "%s</IMETHODCALL>"), name,
             params);
    post(f, name, NS_OBJECT, body);
}

/* The context of the answer; it must go on. */
static void context(struct fixture *f, char *id)
{
    expect_part(f, MORE);
    const char *p = strstr(f->body, MORE) + strlen(MORE);
    size_t n = strcspn(p, "<");
    assert_true(n > 30 && n < 64);
    memcpy(id, p, n);
    id[n] = '\0';
}

static void go_on(struct fixture *f, const char *name, const char *id, const char *max)
{
    char params[512];
    snprintf(params, sizeof params,
             IPARAM("EnumerationContext", "<VALUE>%s</VALUE>")
                 IPARAM("MaxObjectCount", "<VALUE>%s</VALUE>"),
             id, max);
    send(f, name, params);
}

static unsigned count(struct fixture *f, const char *part)
{
    unsigned n = 0;
    for (const char *p = f->body; (p = strstr(p, part)); p++) {
        n++;
    }
    return n;
}

static void test_with_path(void **state)
{
    struct fixture f = {.copies = 5};
    char id[64];
    send(&f, "OpenEnumerateInstances",
         CLASSNAME("CIM_System")
             IPARAM("PropertyList", "<VALUE.ARRAY><VALUE>Name</VALUE></VALUE.ARRAY>") MAX("2"));
    expect_part(&f, "<IRETURNVALUE><VALUE.INSTANCEWITHPATH><INSTANCEPATH><NAMESPACEPATH><HOST>alpha"
                    "</HOST>" NS "</NAMESPACEPATH>" VM_OUT
                    "</INSTANCEPATH><INSTANCE CLASSNAME=\"Msvm_ComputerSystem\"><PROPERTY "
                    "NAME=\"Name\" TYPE=\"string\"><VALUE>" VM_ID "</VALUE></PROPERTY></INSTANCE>");
    assert_int_equal(count(&f, "<INSTANCE "), 2);
    context(&f, id);
    f.copies = 1; /* whatever changes now */
    go_on(&f, "PullInstancesWithPath", id, "0");
    expect_part(&f, "<IRETURNVALUE></IRETURNVALUE>" MORE);
    go_on(&f, "PullInstancesWithPath", id, "2");
    assert_int_equal(count(&f, "<PROPERTY NAME=\"Name\""), 2); /* the list is remembered */
    assert_int_equal(count(&f, "<PROPERTY "), 2);
    context(&f, id);
    go_on(&f, "PullInstancesWithPath", id, "1000000");
    assert_int_equal(count(&f, "<INSTANCE "), 1);
    expect_part(&f, "</IRETURNVALUE>" END);
    go_on(&f, "PullInstancesWithPath", id, "1");
    expect_code(&f, CIM_ERR_INVALID_ENUMERATION_CONTEXT);
    fixture_deinit(&f);
}

static void test_at_once(void **state)
{
    struct fixture f = {.copies = 2};
    send(&f, "OpenEnumerateInstances", CLASSNAME("CIM_System") MAX("2"));
    expect_part(&f, END);
    send(&f, "OpenEnumerateInstances", CLASSNAME("CIM_Job"));
    expect_part(&f, "<IRETURNVALUE></IRETURNVALUE>" END);
    send(&f, "OpenEnumerateInstances", CLASSNAME("CIM_System"));
    expect_part(&f, "<IRETURNVALUE></IRETURNVALUE>" MORE); /* MaxObjectCount is 0 then */
    send(&f, "OpenEnumerateInstances",
         CLASSNAME("CIM_ComputerSystem") FALSE_("DeepInheritance") MAX("9"));
    assert_null(strstr(f.body, "\"ReplicationState\""));
    f.copies = CIMXML_PULL_MAX + 1; /* more than one answer may have */
    send(&f, "OpenEnumerateInstancePaths", CLASSNAME("CIM_System") MAX("4294967295"));
    assert_int_equal(count(&f, "<INSTANCEPATH>"), CIMXML_PULL_MAX);
    expect_part(&f, MORE);
    fixture_deinit(&f);
}

static void test_paths(void **state)
{
    struct fixture f = {.copies = 2};
    char id[64];
    send(&f, "OpenEnumerateInstancePaths", CLASSNAME("CIM_System") MAX("1"));
    expect_part(&f, "<IRETURNVALUE><INSTANCEPATH><NAMESPACEPATH><HOST>alpha</HOST>");
    context(&f, id);
    go_on(&f, "PullInstancesWithPath", id, "1");
    expect_code(&f, CIM_ERR_INVALID_ENUMERATION_CONTEXT);
    go_on(&f, "PullInstancePaths", id, "1");
    expect_part(&f, VM_OUT "</INSTANCEPATH></IRETURNVALUE>" END);
    fixture_deinit(&f);
}

static void test_related(void **state)
{
    struct fixture f = {0};
    const char *link = "<INSTANCENAME CLASSNAME=\"Msvm_ServiceAffectsElement\">";
    send(&f, "OpenAssociatorInstances",
         IPARAM("InstanceName", VM) MAX("9")
             IPARAM("ResultClass", "<CLASSNAME NAME=\"CIM_Service\"/>"));
    expect_part(&f, "<INSTANCE CLASSNAME=\"Msvm_ReplicationService\">");
    expect_part(&f, END);
    send(&f, "OpenAssociatorInstancePaths",
         IPARAM("InstanceName", SVC) IPARAM("Role", "<VALUE>AffectingElement</VALUE>") MAX("9"));
    expect_part(&f, VM_OUT "</INSTANCEPATH></IRETURNVALUE>" END);
    send(&f, "OpenReferenceInstances", IPARAM("InstanceName", VM) MAX("9"));
    expect_part(&f, "<INSTANCE CLASSNAME=\"Msvm_ServiceAffectsElement\"><PROPERTY.REFERENCE");
    send(&f, "OpenReferenceInstancePaths", IPARAM("InstanceName", VM) MAX("9"));
    expect_part(&f, link);
    send(&f, "OpenReferenceInstancePaths",
         IPARAM("InstanceName", "<INSTANCENAME CLASSNAME=\"Msvm_ComputerSystem\">" KEY(
                                    "Name", "x") "</INSTANCENAME>"));
    expect_code(&f, CIM_ERR_NOT_FOUND);
    fixture_deinit(&f);
}

#define FILTER(language, query)                                                                    \
    IPARAM("FilterQueryLanguage", "<VALUE>" language "</VALUE>")                                   \
    IPARAM("FilterQuery", "<VALUE>" query "</VALUE>")

static void test_query(void **state)
{
    struct fixture f = {.copies = 3};
    char id[64];
    send(&f, "OpenQueryInstances",
         FILTER("WQL", "SELECT Name FROM CIM_System WHERE EnabledState = 2")
             TRUE_("ReturnQueryResultClass") MAX("1"));
    expect_part(&f, "<IRETURNVALUE><INSTANCE CLASSNAME=\"Msvm_ComputerSystem\"><PROPERTY "
                    "NAME=\"Name\"");
    expect_part(&f, "<PARAMVALUE NAME=\"QueryResultClass\"><CLASS NAME=\"CIM_System\"");
    assert_null(strstr(f.body, "<METHOD "));
    assert_int_equal(count(&f, "<PROPERTY "), 2);
    context(&f, id);
    go_on(&f, "PullInstances", id, "9");
    assert_int_equal(count(&f, "<INSTANCE "), 2);
    expect_part(&f, END);
    send(&f, "OpenQueryInstances", FILTER("DMTF:CQL", "SELECT * FROM CIM_System"));
    expect_code(&f, CIM_ERR_QUERY_LANGUAGE_NOT_SUPPORTED);
    send(&f, "OpenQueryInstances", FILTER("WQL", "SELECT *"));
    expect_code(&f, CIM_ERR_INVALID_QUERY);
    fixture_deinit(&f);
}

static void test_close_and_count(void **state)
{
    struct fixture f = {.copies = 3};
    char id[64], params[256];
    send(&f, "OpenEnumerateInstances", CLASSNAME("CIM_System") MAX("1"));
    context(&f, id);
    snprintf(params, sizeof params, IPARAM("EnumerationContext", "<VALUE>%s</VALUE>"), id);
    send(&f, "EnumerationCount", params);
    expect_part(&f, "<IRETURNVALUE><VALUE>2</VALUE></IRETURNVALUE></IMETHODRESPONSE>");
    f.as_user = "bob";
    send(&f, "CloseEnumeration", params);
    expect_code(&f, CIM_ERR_INVALID_ENUMERATION_CONTEXT);
    go_on(&f, "PullInstancesWithPath", id, "1");
    expect_code(&f, CIM_ERR_INVALID_ENUMERATION_CONTEXT);
    f.as_user = NULL;
    send(&f, "CloseEnumeration", params);
    expect_part(&f, "<IMETHODRESPONSE NAME=\"CloseEnumeration\"></IMETHODRESPONSE>");
    send(&f, "CloseEnumeration", params);
    expect_code(&f, CIM_ERR_INVALID_ENUMERATION_CONTEXT);
    send(&f, "OpenEnumerateInstances",
         CLASSNAME("CIM_System") IPARAM("OperationTimeout", "<VALUE>5</VALUE>"));
    context(&f, id);
    f.now_ms = 5000;
    go_on(&f, "PullInstancesWithPath", id, "1");
    expect_code(&f, CIM_ERR_INVALID_ENUMERATION_CONTEXT);
    fixture_deinit(&f);
}

static void test_errors(void **state)
{
    static const struct {
        const char *name, *params;
        int code;
    } rows[] = {
        {"OpenEnumerateInstances", "", CIM_ERR_INVALID_PARAMETER},
        {"OpenEnumerateInstances", CLASSNAME("Nope"), CIM_ERR_INVALID_CLASS},
        {"OpenEnumerateInstances", CLASSNAME("CIM_Job") TRUE_("IncludeQualifiers"),
         CIM_ERR_INVALID_PARAMETER},
        {"OpenEnumerateInstances", CLASSNAME("CIM_Job") MAX("-1"), CIM_ERR_INVALID_PARAMETER},
        {"OpenEnumerateInstances", CLASSNAME("CIM_Job") TRUE_("ContinueOnError"),
         CIM_ERR_CONTINUATION_ON_ERROR_NOT_SUPPORTED},
        {"OpenEnumerateInstances",
         CLASSNAME("CIM_Job") IPARAM("OperationTimeout", "<VALUE>0</VALUE>"),
         CIM_ERR_INVALID_OPERATION_TIMEOUT},
        {"OpenEnumerateInstances", CLASSNAME("CIM_Job") FILTER("DMTF:FQL", "Name='x'"),
         CIM_ERR_FILTERED_ENUMERATION_NOT_SUPPORTED},
        {"OpenEnumerateInstances", CLASSNAME("CIM_Job") FILTER("", ""), 0},
        {"OpenQueryInstances", IPARAM("FilterQuery", "<VALUE>SELECT * FROM CIM_Job</VALUE>"),
         CIM_ERR_INVALID_PARAMETER},
        {"PullInstancesWithPath", IPARAM("EnumerationContext", "<VALUE>x</VALUE>"),
         CIM_ERR_INVALID_PARAMETER},
        {"PullInstancesWithPath", IPARAM("EnumerationContext", "<VALUE>x</VALUE>") MAX("1"),
         CIM_ERR_INVALID_ENUMERATION_CONTEXT},
        {"PullInstances", MAX("1"), CIM_ERR_INVALID_PARAMETER},
    };
    struct fixture f = {0};
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        send(&f, rows[i].name, rows[i].params);
        if (rows[i].code) {
            expect_code(&f, rows[i].code);
        } else {
            expect_part(&f, "<IRETURNVALUE>");
        }
    }
    f.no_pulls = true;
    send(&f, "OpenEnumerateInstances", CLASSNAME("CIM_Job"));
    expect_code(&f, CIM_ERR_NOT_SUPPORTED);
    fixture_deinit(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {T(test_with_path),      T(test_at_once), T(test_paths),
                                       T(test_related),        T(test_query),   T(test_errors),
                                       T(test_close_and_count)};
    return cmocka_run_group_tests(tests, load_schema, free_schema);
}
