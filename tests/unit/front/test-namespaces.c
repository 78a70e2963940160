/* SPDX-License-Identifier: Apache-2.0 */
/* Operations in a second namespace, which has a class of the same name as the first. */
#include "cim/broker.h"
#include "cimxml_fake.h"
#include "util/num.h"

#define OTHER "root/other"
#define OTHER_NS                                                                                   \
    "<LOCALNAMESPACEPATH><NAMESPACE NAME=\"root\"/><NAMESPACE "                                    \
    "NAME=\"other\"/></LOCALNAMESPACEPATH>"
#define NO_NS                                                                                      \
    "<LOCALNAMESPACEPATH><NAMESPACE NAME=\"root\"/><NAMESPACE "                                    \
    "NAME=\"none\"/></LOCALNAMESPACEPATH>"
#define NO_NS_OBJECT "root%2Fnone"
#define CALL_IN(ns, name, params) REQ("<IMETHODCALL NAME=\"" name "\">" ns params "</IMETHODCALL>")
#define MOF                                                                                        \
    "Qualifier Key : boolean, Scope(property);"                                                    \
    "class Msvm_ComputerSystem { [Key] string CreationClassName; [Key] string Name;"               \
    " string ElementName; uint16 EnabledState; string OnlyHere; };"

static int setup(void **state)
{
    if (load_schema(state)) {
        return 1;
    }
    add_namespace(OTHER, MOF);
    return 0;
}

static void in_other(struct fixture *f, const char *method, const char *body)
{
    post(f, method, OTHER, body);
}

static unsigned count(const struct fixture *f, const char *part)
{
    unsigned n = 0;
    for (const char *p = f->body; (p = strstr(p, part)); p += strlen(part)) {
        n++;
    }
    return n;
}

static void test_classes(void **state)
{
    struct fixture f = {0};
    in_other(&f, "GetClass", CALL_IN(OTHER_NS, "GetClass", CLASSNAME("msvm_computersystem")));
    expect_part(&f, "NAME=\"OnlyHere\"");
    post(&f, "GetClass", NS_OBJECT, ICALL("GetClass", CLASSNAME("Msvm_ComputerSystem")));
    expect_part(&f, "SUPERCLASS=\"CIM_ComputerSystem\"");
    assert_int_equal(count(&f, "OnlyHere"), 0);
    in_other(&f, "GetClass", CALL_IN(OTHER_NS, "GetClass", CLASSNAME("CIM_Job")));
    expect_code(&f, CIM_ERR_NOT_FOUND);
    expect_part(&f, "in root/other");
    in_other(&f, "EnumerateClassNames", CALL_IN(OTHER_NS, "EnumerateClassNames", ""));
    expect_part(&f, "<CLASSNAME NAME=\"Msvm_ComputerSystem\"/>");
    assert_int_equal(count(&f, "<CLASSNAME "), 1);
    in_other(&f, "EnumerateQualifiers", CALL_IN(OTHER_NS, "EnumerateQualifiers", ""));
    assert_int_equal(count(&f, "<QUALIFIER.DECLARATION "), 1);
    in_other(&f, "GetQualifier",
             CALL_IN(OTHER_NS, "GetQualifier", IPARAM("QualifierName", "<VALUE>Abstract</VALUE>")));
    expect_code(&f, CIM_ERR_NOT_FOUND);
    fixture_deinit(&f);
}

static void test_instances(void **state)
{
    struct fixture f = {0};
    in_other(&f, "EnumerateInstances",
             CALL_IN(OTHER_NS, "EnumerateInstances", CLASSNAME("Msvm_ComputerSystem")));
    expect_part(&f, "NAME=\"OnlyHere\"");
    in_other(&f, "GetInstance", CALL_IN(OTHER_NS, "GetInstance", IPARAM("InstanceName", VM)));
    expect_part(&f, "NAME=\"OnlyHere\"");
    in_other(&f, "EnumerateInstances",
             CALL_IN(OTHER_NS, "EnumerateInstances", CLASSNAME("CIM_System")));
    expect_code(&f, CIM_ERR_INVALID_CLASS);
    in_other(&f, "ExecQuery",
             CALL_IN(OTHER_NS, "ExecQuery",
                     IPARAM("QueryLanguage", "<VALUE>WQL</VALUE>") IPARAM(
                         "Query", "<VALUE>SELECT OnlyHere FROM Msvm_ComputerSystem</VALUE>")));
    expect_part(&f, "<NAMESPACEPATH><HOST>alpha</HOST>" OTHER_NS "</NAMESPACEPATH>");
    in_other(&f, "Associators",
             CALL_IN(OTHER_NS, "Associators",
                     IPARAM("ObjectName", VM)
                         IPARAM("AssocClass", "<CLASSNAME NAME=\"CIM_Dependency\"/>")));
    expect_code(&f, CIM_ERR_INVALID_PARAMETER);
    fixture_deinit(&f);
}

/* What was opened in one namespace is not pulled in another. */
static void test_pull(void **state)
{
    struct fixture f = {.copies = 3};
    char body[1024], id[64] = "";
    in_other(&f, "OpenEnumerateInstances",
             CALL_IN(OTHER_NS, "OpenEnumerateInstances", CLASSNAME("Msvm_ComputerSystem")));
    expect_part(&f, "<IRETURNVALUE></IRETURNVALUE>");
    const char *at = strstr(f.body, "NAME=\"EnumerationContext\"");
    assert_non_null(at);
    at = strstr(at, "<VALUE>");
    assert_int_equal(sscanf(at, "<VALUE>%63[^<]", id), 1);
    for (int i = 0; i < 2; i++) {
        const char *ns = i ? OTHER_NS : NS;
        snprintf(body, sizeof body,
                 REQ("<IMETHODCALL NAME=\"PullInstancesWithPath\">%s" IPARAM("EnumerationContext",
                                                                             "<VALUE>%s</VALUE>")
                         IPARAM("MaxObjectCount", "<VALUE>1</VALUE>") "</IMETHODCALL>"),
                 ns, id);
        post(&f, "PullInstancesWithPath", i ? OTHER : NS_OBJECT, body);
        if (i == 0) {
            expect_code(&f, CIM_ERR_INVALID_ENUMERATION_CONTEXT);
        }
    }
    expect_part(&f, "</HOST>" OTHER_NS "</NAMESPACEPATH>");
    assert_int_equal(count(&f, "<VALUE.INSTANCEWITHPATH>"), 1);
    fixture_deinit(&f);
}

/* The namespace is judged before the parameters, and after the operation. */
static void test_unknown(void **state)
{
    static const struct {
        const char *method, *body;
    } rows[] = {
#define ROW(name) {name, CALL_IN(NO_NS, name, "")}
        ROW("GetClass"),
        ROW("EnumerateClasses"),
        ROW("EnumerateClassNames"),
        ROW("GetQualifier"),
        ROW("EnumerateQualifiers"),
        ROW("GetInstance"),
        ROW("EnumerateInstances"),
        ROW("EnumerateInstanceNames"),
        ROW("GetProperty"),
        ROW("Associators"),
        ROW("AssociatorNames"),
        ROW("References"),
        ROW("ReferenceNames"),
        ROW("ExecQuery"),
        ROW("OpenEnumerateInstances"),
        ROW("OpenQueryInstances"),
        ROW("PullInstancesWithPath"),
        ROW("CloseEnumeration"),
        ROW("EnumerationCount"),
    };
    struct fixture f = {0};
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        post(&f, rows[i].method, NO_NS_OBJECT, rows[i].body);
        expect_code(&f, CIM_ERR_INVALID_NAMESPACE);
        expect_part(&f, "only root/virtualization/v2, root/other");
    }
    post(&f, "DeleteInstance", NO_NS_OBJECT, CALL_IN(NO_NS, "DeleteInstance", ""));
    expect_code(&f, CIM_ERR_NOT_SUPPORTED);
    fixture_deinit(&f);
}

#define METHOD_IN(ns)                                                                              \
    REQ("<METHODCALL NAME=\"RequestReplicationStateChange\"><LOCALINSTANCEPATH>" ns VM             \
        "</LOCALINSTANCEPATH></METHODCALL>")
#define VM_KEYS ":Msvm_ComputerSystem.CreationClassName=\"Msvm_ComputerSystem\",Name=\"" VM_ID "\""

static void test_methods(void **state)
{
    struct fixture f = {0};
    post(&f, "RequestReplicationStateChange", OTHER VM_KEYS, METHOD_IN(OTHER_NS));
    expect_code(&f, CIM_ERR_METHOD_NOT_FOUND);
    post(&f, "RequestReplicationStateChange", NO_NS_OBJECT VM_KEYS, METHOD_IN(NO_NS));
    expect_code(&f, CIM_ERR_INVALID_NAMESPACE);
    assert_int_equal(f.invoked, 0);
    post(&f, "RequestReplicationStateChange", NS_OBJECT VM_KEYS, METHOD_IN(NS));
    assert_int_equal(f.invoked, 1);
    fixture_deinit(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {T(test_classes), T(test_instances), T(test_pull),
                                       T(test_unknown), T(test_methods)};
    return cmocka_run_group_tests(tests, setup, free_schema);
}
