/* SPDX-License-Identifier: Apache-2.0 */
/* The intrinsic operations of CIM-XML. */
#include "cimxml_fake.h"
#include "util/num.h"

#define QUERY(language, query)                                                                     \
    ICALL("ExecQuery", IPARAM("QueryLanguage", "<VALUE>" language "</VALUE>")                      \
                           IPARAM("Query", "<VALUE>" query "</VALUE>"))

static void query(struct fixture *f, const char *body)
{
    post(f, "ExecQuery", NS_OBJECT, body);
}

static void test_get_class(void **state)
{
    struct fixture f = {0};
    post(&f, "GetClass", NS_OBJECT,
         ICALL("GetClass",
               "\n" CLASSNAME("msvm_replicationservice") IPARAM("LocalOnly", "<VALUE>FALSE</VALUE>")
                   IPARAM("IncludeQualifiers", "<VALUE>true</VALUE>")
                       IPARAM("IncludeClassOrigin", "<VALUE>TRUE</VALUE>")));
    expect_part(&f, "<IMETHODRESPONSE NAME=\"GetClass\"><IRETURNVALUE><CLASS "
                    "NAME=\"Msvm_ReplicationService\" SUPERCLASS=\"CIM_Service\">");
    expect_part(&f, "<METHOD NAME=\"Resynchronize\" TYPE=\"uint32\" "
                    "CLASSORIGIN=\"Msvm_ReplicationService\"><QUALIFIER NAME=\"ValueMap\" "
                    "TYPE=\"string\"><VALUE.ARRAY><VALUE>0</VALUE><VALUE>4096</VALUE>");
    expect_part(
        &f, "<VALUE>File not found</VALUE></VALUE.ARRAY></QUALIFIER><PARAMETER.REFERENCE "
            "NAME=\"ComputerSystem\" REFERENCECLASS=\"CIM_ComputerSystem\"><QUALIFIER NAME=\"In\" "
            "TYPE=\"boolean\" OVERRIDABLE=\"false\"><VALUE>TRUE</VALUE></QUALIFIER><QUALIFIER "
            "NAME=\"Required\" TYPE=\"boolean\" "
            "OVERRIDABLE=\"false\"><VALUE>TRUE</VALUE></QUALIFIER></PARAMETER.REFERENCE><PARAMETER "
            "NAME=\"StartTime\" TYPE=\"datetime\">");
    expect_part(
        &f, "<QUALIFIER NAME=\"Out\" TYPE=\"boolean\" OVERRIDABLE=\"false\"><VALUE>TRUE</VALUE>");
    expect_part(&f, "<PROPERTY NAME=\"SystemName\" TYPE=\"string\" CLASSORIGIN=\"CIM_Service\" "
                    "PROPAGATED=\"true\"><QUALIFIER NAME=\"Key\" TYPE=\"boolean\" "
                    "PROPAGATED=\"true\" OVERRIDABLE=\"false\"><VALUE>TRUE</VALUE>");
    expect_part(&f, "\"StartService\"");
    post(&f, "GetClass", NS_OBJECT,
         ICALL("GetClass", CLASSNAME("Msvm_ReplicationService")
                               IPARAM("IncludeQualifiers", "<VALUE>FALSE</VALUE>")));
    expect_part(&f, "\"Resynchronize\"");
    assert_null(strstr(f.body, "StartService")); /* LocalOnly is TRUE here */
    assert_null(strstr(f.body, "QUALIFIER"));
    post(&f, "GetClass", NS_OBJECT, ICALL("GetClass", CLASSNAME("Nothing")));
    expect_code(&f, CIM_ERR_NOT_FOUND);
    post(&f, "EnumerateClassNames", NS_OBJECT, ICALL("EnumerateClassNames", CLASSNAME("CIM_Job")));
    expect_part(&f, "<IRETURNVALUE><CLASSNAME NAME=\"CIM_ConcreteJob\"/></IRETURNVALUE>");
    post(&f, "EnumerateClassNames", NS_OBJECT, ICALL("EnumerateClassNames", ""));
    expect_part(&f, "<IRETURNVALUE><CLASSNAME NAME=\"CIM_ManagedElement\"/><CLASSNAME "
                    "NAME=\"CIM_Error\"/><CLASSNAME NAME=\"CIM_Dependency\"/>");
    post(&f, "EnumerateClasses", NS_OBJECT,
         ICALL("EnumerateClasses",
               CLASSNAME("CIM_Job") IPARAM("DeepInheritance", "<VALUE>TRUE</VALUE>")));
    expect_part(&f, "<CLASS NAME=\"Msvm_ConcreteJob\"");
    fixture_deinit(&f);
}

/* LocalOnly keeps what the class declares or overrides, and leaves its inherited qualifiers out. */
static void test_local_only(void **state)
{
    struct fixture f = {0};
    post(&f, "GetClass", NS_OBJECT,
         ICALL("GetClass", CLASSNAME("CIM_ConcreteJob") TRUE_("IncludeClassOrigin")));
    expect_part(&f, "<CLASS NAME=\"CIM_ConcreteJob\" SUPERCLASS=\"CIM_Job\"><QUALIFIER "
                    "NAME=\"Abstract\" TYPE=\"boolean\" TOSUBCLASS=\"false\"><VALUE>TRUE</VALUE>"
                    "</QUALIFIER><QUALIFIER NAME=\"Version\" TYPE=\"string\" TOSUBCLASS=\"false\" "
                    "TRANSLATABLE=\"true\"><VALUE>2.22.0</VALUE></QUALIFIER>");
    expect_part(&f, "<PROPERTY NAME=\"InstanceID\" TYPE=\"string\" "
                    "CLASSORIGIN=\"CIM_ManagedElement\"><QUALIFIER NAME=\"Key\"");
    expect_part(&f, "<QUALIFIER NAME=\"MaxLen\" TYPE=\"uint32\"><VALUE>1024</VALUE>");
    assert_null(strstr(f.body, "\"Caption\""));
    assert_null(strstr(f.body, "PROPAGATED"));
    post(&f, "GetClass", NS_OBJECT, ICALL("GetClass", CLASSNAME("Msvm_ConcreteJob")));
    expect_part(&f, "<CLASS NAME=\"Msvm_ConcreteJob\" SUPERCLASS=\"CIM_ConcreteJob\"><PROPERTY");
    expect_part(&f, "<METHOD NAME=\"GetError\" TYPE=\"uint32\">");
    assert_null(strstr(f.body, "KillJob"));
    post(&f, "GetClass", NS_OBJECT,
         ICALL("GetClass",
               CLASSNAME("Msvm_ConcreteJob") FALSE_("LocalOnly") FALSE_("IncludeQualifiers")));
    expect_part(&f, "<METHOD NAME=\"KillJob\" TYPE=\"uint32\" PROPAGATED=\"true\">");
    expect_part(&f, "<METHOD NAME=\"GetError\" TYPE=\"uint32\">");
    fixture_deinit(&f);
}

static void test_class_lists(void **state)
{
    struct fixture f = {0};
    post(&f, "GetClass", NS_OBJECT,
         ICALL("GetClass", CLASSNAME("Msvm_ComputerSystem") FALSE_("LocalOnly")
                               IPARAM("PropertyList", "<VALUE.ARRAY><VALUE>name</VALUE><VALUE>"
                                                      "Nope</VALUE></VALUE.ARRAY>")));
    expect_part(&f, "NAME=\"Name\"");
    assert_null(strstr(f.body, "\"ElementName\""));
    post(&f, "GetClass", NS_OBJECT,
         ICALL("GetClass", CLASSNAME("Msvm_ComputerSystem")
                               IPARAM("PropertyList", "<VALUE.ARRAY></VALUE.ARRAY>")));
    assert_null(strstr(f.body, "<PROPERTY"));
    post(&f, "EnumerateClasses", NS_OBJECT,
         ICALL("EnumerateClasses", CLASSNAME("CIM_LogicalElement") FALSE_("IncludeQualifiers")));
    expect_part(&f, "<CLASS NAME=\"CIM_Job\" SUPERCLASS=\"CIM_LogicalElement\"><PROPERTY");
    assert_null(strstr(f.body, " NAME=\"CIM_ConcreteJob\""));
    assert_null(strstr(f.body, "QUALIFIER"));
    post(&f, "EnumerateClassNames", NS_OBJECT,
         ICALL("EnumerateClassNames", CLASSNAME("CIM_Service") TRUE_("DeepInheritance")));
    expect_part(&f, "<IRETURNVALUE><CLASSNAME NAME=\"Msvm_ReplicationService\"/></IRETURNVALUE>");
    post(&f, "EnumerateClassNames", NS_OBJECT,
         ICALL("EnumerateClassNames", CLASSNAME("Msvm_Error")));
    expect_part(&f, "<IRETURNVALUE></IRETURNVALUE>");
    post(&f, "EnumerateClasses", NS_OBJECT, ICALL("EnumerateClasses", CLASSNAME("Nope")));
    expect_code(&f, CIM_ERR_INVALID_CLASS);
    fixture_deinit(&f);
}

static void test_qualifiers(void **state)
{
    struct fixture f = {0};
    post(&f, "GetQualifier", NS_OBJECT,
         ICALL("GetQualifier", IPARAM("QualifierName", "<VALUE>key</VALUE>")));
    expect_part(&f, "<IRETURNVALUE><QUALIFIER.DECLARATION NAME=\"Key\" TYPE=\"boolean\" "
                    "ISARRAY=\"false\" OVERRIDABLE=\"false\"><SCOPE REFERENCE=\"true\" "
                    "PROPERTY=\"true\"/><VALUE>FALSE</VALUE></QUALIFIER.DECLARATION></"
                    "IRETURNVALUE>");
    post(&f, "GetQualifier", NS_OBJECT,
         ICALL("GetQualifier", IPARAM("QualifierName", "<VALUE>Nope</VALUE>")));
    expect_code(&f, CIM_ERR_NOT_FOUND);
    post(&f, "GetQualifier", NS_OBJECT, ICALL("GetQualifier", ""));
    expect_code(&f, CIM_ERR_INVALID_PARAMETER);
    post(&f, "EnumerateQualifiers", NS_OBJECT, ICALL("EnumerateQualifiers", ""));
    expect_part(&f, "NAME=\"Abstract\"");
    expect_part(&f, "NAME=\"MaxLen\" TYPE=\"uint32\" ISARRAY=\"false\"><SCOPE PROPERTY=\"true\" "
                    "METHOD=\"true\" PARAMETER=\"true\"/></QUALIFIER.DECLARATION>");
    fixture_deinit(&f);
}

/* What no server of classes that never change offers; clients fall back on 7, never on 1. */
static void test_not_supported(void **state)
{
    static const char *const names[] = {"CreateInstance",   "DeleteInstance",  "SetProperty",
                                        "CreateClass",      "ModifyClass",     "DeleteClass",
                                        "SetQualifier",     "DeleteQualifier", "InvokeMethod",
                                        "ExportIndication", "NoSuchOperation"};
    struct fixture f = {0};
    for (size_t i = 0; i < VR_COUNT(names); i++) {
        char body[1024]; /* whatever the parameters are */
        snprintf(body, sizeof body,
                 REQ("<IMETHODCALL NAME=\"%s\">" NS CLASSNAME("CIM_Job") "</IMETHODCALL>"),
                 names[i]);
        post(&f, names[i], NS_OBJECT, body);
        expect_code(&f, CIM_ERR_NOT_SUPPORTED);
    }
    fixture_deinit(&f);
}

static void test_modify_instance(void **state)
{
#define MODIFIED(name, class, properties)                                                          \
    IPARAM("ModifiedInstance",                                                                     \
           "<VALUE.NAMEDINSTANCE>" name                                                            \
           "<INSTANCE CLASSNAME=\"" class "\">" properties "</INSTANCE></VALUE.NAMEDINSTANCE>")
#define PROP(name, type, value) "<PROPERTY NAME=\"" name "\" TYPE=\"" type "\">" value "</PROPERTY>"
#define NAME_AND_STATE                                                                             \
    PROP("ElementName", "string", "<VALUE>x</VALUE>")                                              \
    PROP("EnabledState", "uint16", "<VALUE>3</VALUE>")
#define MODIFY_VM(properties) MODIFIED(VM, "Msvm_ComputerSystem", properties)
#define PROPERTIES(names) IPARAM("PropertyList", "<VALUE.ARRAY>" names "</VALUE.ARRAY>")
    static const struct {
        const char *params, *changes;
        int code;
    } rows[] = {
        {MODIFY_VM(NAME_AND_STATE), "ElementName=x EnabledState=3 ", 0},
        {MODIFY_VM(PROP("Caption", "string", "")) FALSE_("IncludeQualifiers"), "Caption=NULL ", 0},
        {MODIFY_VM(NAME_AND_STATE) PROPERTIES("<VALUE>elementname</VALUE><VALUE>Caption</VALUE>"),
         "ElementName=x Caption=NULL ", 0},
        {MODIFY_VM(NAME_AND_STATE) PROPERTIES(""), "", 0},
        {"", NULL, CIM_ERR_INVALID_PARAMETER},
        {CLASSNAME("CIM_Job"), NULL, CIM_ERR_INVALID_PARAMETER},
        {MODIFY_VM("") MODIFY_VM(""), NULL, CIM_ERR_INVALID_PARAMETER},
        {IPARAM("ModifiedInstance", VM), NULL, CIM_ERR_INVALID_PARAMETER},
        {MODIFIED(VM, "Msvm_ReplicationService", ""), NULL, CIM_ERR_INVALID_PARAMETER},
        {MODIFIED("<INSTANCENAME CLASSNAME=\"Nope\"/>", "Nope", ""), NULL, CIM_ERR_INVALID_CLASS},
        {MODIFY_VM(PROP("Colour", "string", "<VALUE>x</VALUE>")), NULL, CIM_ERR_INVALID_PARAMETER},
        {MODIFY_VM(PROP("EnabledState", "uint16", "<VALUE>many</VALUE>")), NULL,
         CIM_ERR_TYPE_MISMATCH},
        {MODIFY_VM(NAME_AND_STATE) PROPERTIES("<VALUE>Colour</VALUE>"), NULL,
         CIM_ERR_NO_SUCH_PROPERTY},
    };
    struct fixture f = {0};
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        char body[4096];
        f.modified = 0;
        snprintf(body, sizeof body,
                 REQ("<IMETHODCALL NAME=\"ModifyInstance\">" NS "%s</IMETHODCALL>"),
                 rows[i].params);
        post(&f, "ModifyInstance", NS_OBJECT, body);
        assert_int_equal(f.modified, rows[i].code ? 0 : 1);
        if (rows[i].code) {
            expect_code(&f, rows[i].code);
        } else {
            expect_part(&f, "<IMETHODRESPONSE NAME=\"ModifyInstance\"></IMETHODRESPONSE>");
            assert_string_equal(f.changes, rows[i].changes);
        }
    }
    f.modify_code = CIM_ERR_NOT_SUPPORTED;
    post(&f, "ModifyInstance", NS_OBJECT, ICALL("ModifyInstance", MODIFY_VM(NAME_AND_STATE)));
    expect_code(&f, CIM_ERR_NOT_SUPPORTED);
    fixture_deinit(&f);
}

static void test_instances(void **state)
{
    struct fixture f = {0};
    post(&f, "GetInstance", NS_OBJECT,
         ICALL("GetInstance",
               IPARAM("PropertyList", "<VALUE.ARRAY><VALUE>ElementName</"
                                      "VALUE><VALUE>OperationalStatus</VALUE></VALUE.ARRAY>")
                   IPARAM("InstanceName", VM)));
    expect_part(&f,
                "<IRETURNVALUE><INSTANCE CLASSNAME=\"Msvm_ComputerSystem\"><PROPERTY "
                "NAME=\"ElementName\" TYPE=\"string\"><VALUE>a&lt;b&gt;&amp;&quot;c\xef\xbf\xbd "
                "\xef\xbf\xbd</VALUE></PROPERTY><PROPERTY.ARRAY NAME=\"OperationalStatus\" "
                "TYPE=\"uint16\"></PROPERTY.ARRAY></INSTANCE></IRETURNVALUE>");
    post(&f, "EnumerateInstances", NS_OBJECT,
         ICALL("EnumerateInstances", CLASSNAME("CIM_ComputerSystem")));
    expect_part(&f, "<VALUE.NAMEDINSTANCE>" VM_OUT "<INSTANCE CLASSNAME=\"Msvm_ComputerSystem\">");
    expect_part(&f, "\"ReplicationState\"");
    post(&f, "EnumerateInstances", NS_OBJECT,
         ICALL("EnumerateInstances",
               CLASSNAME("CIM_ComputerSystem") IPARAM("DeepInheritance", "<VALUE>FALSE</VALUE>")));
    expect_part(&f, "\"Dedicated\"");
    assert_null(strstr(f.body, "\"ReplicationState\""));
    post(&f, "EnumerateInstances", NS_OBJECT,
         ICALL("EnumerateInstances",
               CLASSNAME("Msvm_ComputerSystem") IPARAM("LocalOnly", "<VALUE>TRUE</VALUE>")));
    expect_part(&f, "\"ReplicationState\"");
    expect_part(&f, "\"Dedicated\""); /* LocalOnly does not count any more */
    post(&f, "EnumerateInstanceNames", NS_OBJECT,
         ICALL("EnumerateInstanceNames", CLASSNAME("CIM_ManagedElement")));
    expect_part(&f, "<IRETURNVALUE>" VM_OUT "</IRETURNVALUE>");
    post(&f, "EnumerateInstanceNames", NS_OBJECT,
         ICALL("EnumerateInstanceNames", CLASSNAME("CIM_Job")));
    expect_part(&f, "<IRETURNVALUE></IRETURNVALUE>");
    fixture_deinit(&f);
}

static void test_exec_query(void **state)
{
    struct fixture f = {0};
    query(&f, QUERY("WQL", "SELECT ElementName FROM CIM_ComputerSystem WHERE Name = \"" VM_ID
                           "\" AND EnabledState &lt; 3"));
    expect_part(&f, "<IRETURNVALUE><VALUE.OBJECTWITHPATH><INSTANCEPATH><NAMESPACEPATH><HOST>alpha</"
                    "HOST>" NS "</NAMESPACEPATH>" VM_OUT
                    "</INSTANCEPATH><INSTANCE CLASSNAME=\"Msvm_ComputerSystem\"><PROPERTY "
                    "NAME=\"ElementName\" TYPE=\"string\"><VALUE>");
    assert_null(strstr(f.body, "\"EnabledState\""));
    query(&f, QUERY("wql", "select * from Msvm_ComputerSystem where Name != __SERVER"));
    expect_part(&f, "\"EnabledState\"");
    query(&f, QUERY("WQL", "SELECT * FROM Msvm_ComputerSystem WHERE Name = __SERVER"));
    expect_part(&f, "<IRETURNVALUE></IRETURNVALUE>");
    query(&f, QUERY("DMTF:CQL", "SELECT * FROM Msvm_ComputerSystem"));
    expect_code(&f, CIM_ERR_QUERY_LANGUAGE_NOT_SUPPORTED);
    query(&f, QUERY("WQL", "SELECT * FROM Msvm_ComputerSystem WHERE"));
    expect_code(&f, CIM_ERR_INVALID_QUERY);
    expect_part(&f, "column 40: expected a property or a value, found the end");
    query(&f, QUERY("WQL", "SELECT Nope FROM Msvm_ComputerSystem"));
    expect_code(&f, CIM_ERR_INVALID_QUERY);
    query(&f, QUERY("WQL", "SELECT * FROM Nope"));
    expect_code(&f, CIM_ERR_INVALID_QUERY);
    expect_part(&f, "column 15: no class");
    query(&f, ICALL("ExecQuery", IPARAM("Query", "<VALUE>SELECT * FROM CIM_Job</VALUE>")));
    expect_code(&f, CIM_ERR_INVALID_PARAMETER);
    post(&f, "ExecQuery", "root",
         REQ("<IMETHODCALL NAME=\"ExecQuery\"><LOCALNAMESPACEPATH><NAMESPACE "
             "NAME=\"root\"/></LOCALNAMESPACEPATH>" IPARAM("QueryLanguage", "<VALUE>X</VALUE>")
                 IPARAM("Query", "<VALUE/>") "</IMETHODCALL>"));
    expect_code(&f, CIM_ERR_INVALID_NAMESPACE);
    fixture_deinit(&f);
}

/* A list does not bring the keys with it, nor what a superclass has not when only that is asked. */
static void test_instance_flags(void **state)
{
    struct fixture f = {0};
    post(&f, "GetInstance", NS_OBJECT,
         ICALL("GetInstance", IPARAM("InstanceName", VM)
                                  IPARAM("PropertyList", "<VALUE.ARRAY><VALUE>ENABLEDSTATE</VALUE>"
                                                         "<VALUE>Nope</VALUE></VALUE.ARRAY>")
                                      TRUE_("IncludeClassOrigin") TRUE_("LocalOnly")));
    expect_part(&f, "<INSTANCE CLASSNAME=\"Msvm_ComputerSystem\"><PROPERTY NAME=\"EnabledState\" "
                    "TYPE=\"uint16\" CLASSORIGIN=\"CIM_EnabledLogicalElement\"><VALUE>2</VALUE>"
                    "</PROPERTY></INSTANCE>");
    post(&f, "GetInstance", NS_OBJECT,
         ICALL("GetInstance",
               IPARAM("InstanceName", VM) IPARAM("PropertyList", "<VALUE.ARRAY></VALUE.ARRAY>")));
    expect_part(&f, "<INSTANCE CLASSNAME=\"Msvm_ComputerSystem\"></INSTANCE>");
    post(&f, "GetInstance", NS_OBJECT,
         ICALL("GetInstance", IPARAM("InstanceName", VM) TRUE_("IncludeQualifiers")));
    expect_part(&f, "<PROPERTY NAME=\"Name\" TYPE=\"string\"><QUALIFIER NAME=\"Key\"");
    post(&f, "EnumerateInstances", NS_OBJECT,
         ICALL("EnumerateInstances",
               CLASSNAME("CIM_ComputerSystem") FALSE_("DeepInheritance")
                   IPARAM("PropertyList", "<VALUE.ARRAY><VALUE>ReplicationState</VALUE><VALUE>"
                                          "EnabledState</VALUE></VALUE.ARRAY>")));
    expect_part(&f, "<INSTANCE CLASSNAME=\"Msvm_ComputerSystem\"><PROPERTY NAME=\"EnabledState\" "
                    "TYPE=\"uint16\"><VALUE>2</VALUE></PROPERTY></INSTANCE>");
    fixture_deinit(&f);
}

/* An enumeration writes an instance as GetInstance does, whatever is asked for. */
static void test_same_instance(void **state)
{
#define LIST                                                                                       \
    IPARAM("PropertyList", "<VALUE.ARRAY><VALUE>Roles</VALUE><VALUE>Name</VALUE><VALUE>Status"     \
                           "</VALUE><VALUE>EnabledState</VALUE></VALUE.ARRAY>")
    static const char *const asked[] = {"", TRUE_("IncludeQualifiers"), TRUE_("IncludeClassOrigin"),
                                        LIST, LIST TRUE_("IncludeQualifiers")};
    for (size_t i = 0; i < VR_COUNT(asked); i++) {
        struct fixture f = {.copies = 2};
        char body[4096];
        snprintf(body, sizeof body, ICALL("GetInstance", IPARAM("InstanceName", VM) "%s"),
                 asked[i]);
        post(&f, "GetInstance", NS_OBJECT, body);
        char *one = strstr(f.body, "<INSTANCE "), *end = strstr(f.body, "</IRETURNVALUE>");
        assert_true(one && end);
        char *want = strndup(one, (size_t)(end - one));
        snprintf(body, sizeof body,
                 ICALL("EnumerateInstances", CLASSNAME("Msvm_ComputerSystem") "%s"), asked[i]);
        post(&f, "EnumerateInstances", NS_OBJECT, body);
        expect_part(&f, want);
        assert_non_null(strstr(strstr(f.body, want) + 1, want)); /* and the second one, too */
        free(want);
        fixture_deinit(&f);
    }
}

static void test_get_property(void **state)
{
    struct fixture f = {0};
    post(&f, "GetProperty", NS_OBJECT,
         ICALL("GetProperty",
               IPARAM("PropertyName", "<VALUE>enabledstate</VALUE>") IPARAM("InstanceName", VM)));
    expect_part(&f, "<IRETURNVALUE><VALUE>2</VALUE></IRETURNVALUE>");
    post(&f, "GetProperty", NS_OBJECT,
         ICALL("GetProperty", IPARAM("InstanceName", VM)
                                  IPARAM("PropertyName", "<VALUE>OperationalStatus</VALUE>")));
    expect_part(&f, "<IRETURNVALUE></IRETURNVALUE>");
    post(&f, "GetProperty", NS_OBJECT,
         ICALL("GetProperty",
               IPARAM("InstanceName", VM) IPARAM("PropertyName", "<VALUE>Nope</VALUE>")));
    expect_code(&f, CIM_ERR_NO_SUCH_PROPERTY);
    post(&f, "GetProperty", NS_OBJECT,
         ICALL("GetProperty",
               IPARAM("InstanceName", "<INSTANCENAME CLASSNAME=\"Msvm_ComputerSystem\"/>")
                   IPARAM("PropertyName", "<VALUE>Name</VALUE>")));
    expect_code(&f, CIM_ERR_NOT_FOUND);
    fixture_deinit(&f);
}

#define OBJECT(o) IPARAM("ObjectName", o)
#define SVC_PATH                                                                                   \
    "<INSTANCEPATH><NAMESPACEPATH><HOST>alpha</HOST>" NS                                           \
    "</NAMESPACEPATH><INSTANCENAME CLASSNAME=\"Msvm_ReplicationService\">"

/* Every filter, both ways it can go. */
static void test_association_filters(void **state)
{
    static const struct {
        const char *filter;
        bool found;
    } rows[] = {
        {"", true},
        {IPARAM("AssocClass", "<CLASSNAME NAME=\"cim_serviceaffectselement\"/>"), true},
        {IPARAM("AssocClass", "<CLASSNAME NAME=\"Msvm_OwningJobElement\"/>"), false},
        {IPARAM("ResultClass", "<CLASSNAME NAME=\"CIM_Service\"/>"), true},
        {IPARAM("ResultClass", "<CLASSNAME NAME=\"CIM_System\"/>"), false},
        {IPARAM("Role", "<VALUE>affectedelement</VALUE>"), true},
        {IPARAM("Role", "<VALUE>AffectingElement</VALUE>"), false},
        {IPARAM("ResultRole", "<VALUE>AffectingElement</VALUE>"), true},
        {IPARAM("ResultRole", "<VALUE>AffectedElement</VALUE>"), false},
        {IPARAM("Role", "<VALUE></VALUE>") IPARAM("ResultRole", ""), true},
    };
    struct fixture f = {0};
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        char body[4096];
        snprintf(body, sizeof body,
                 REQ("<IMETHODCALL NAME=\"AssociatorNames\">" NS OBJECT(VM) "%s</IMETHODCALL>"),
                 rows[i].filter);
        post(&f, "AssociatorNames", NS_OBJECT, body);
        expect_part(&f, rows[i].found ? "<IRETURNVALUE><OBJECTPATH>" SVC_PATH
                                      : "<IRETURNVALUE></IRETURNVALUE>");
    }
    fixture_deinit(&f);
}

static void test_associations(void **state)
{
    struct fixture f = {0};
    post(&f, "Associators", NS_OBJECT,
         ICALL("Associators",
               OBJECT(VM) IPARAM("PropertyList", "<VALUE.ARRAY><VALUE>Name</VALUE></VALUE.ARRAY>")
                   FALSE_("IncludeQualifiers") TRUE_("IncludeClassOrigin")));
    expect_part(&f, "<IRETURNVALUE><VALUE.OBJECTWITHPATH>" SVC_PATH);
    expect_part(&f, "<INSTANCE CLASSNAME=\"Msvm_ReplicationService\"><PROPERTY NAME=\"Name\" "
                    "TYPE=\"string\" CLASSORIGIN=\"CIM_ManagedSystemElement\"><VALUE>replicasvc</"
                    "VALUE></PROPERTY></INSTANCE></VALUE.OBJECTWITHPATH></IRETURNVALUE>");
    post(&f, "AssociatorNames", NS_OBJECT, ICALL("AssociatorNames", OBJECT(SVC)));
    expect_part(&f, VM_OUT);
    post(&f, "References", NS_OBJECT, ICALL("References", OBJECT(SVC)));
    expect_part(&f, "<INSTANCE CLASSNAME=\"Msvm_ServiceAffectsElement\"><PROPERTY.REFERENCE "
                    "NAME=\"AffectedElement\" REFERENCECLASS=\"CIM_ManagedElement\"><VALUE."
                    "REFERENCE><LOCALINSTANCEPATH>" NS VM_OUT);
    post(&f, "ReferenceNames", NS_OBJECT,
         ICALL("ReferenceNames",
               OBJECT(VM) IPARAM("ResultClass", "<CLASSNAME NAME=\"CIM_ServiceAffectsElement\"/>")
                   IPARAM("Role", "<VALUE>AffectedElement</VALUE>")));
    expect_part(&f, "<INSTANCENAME CLASSNAME=\"Msvm_ServiceAffectsElement\"><KEYBINDING "
                    "NAME=\"AffectedElement\"><VALUE.REFERENCE>");
    post(&f, "ReferenceNames", NS_OBJECT,
         ICALL("ReferenceNames", OBJECT(VM) IPARAM("Role", "<VALUE>Dependent</VALUE>")));
    expect_part(&f, "<IRETURNVALUE></IRETURNVALUE>");
    query(&f, QUERY("WQL", "ASSOCIATORS OF {Msvm_ComputerSystem.Name='" VM_ID
                           "',CreationClassName='Msvm_ComputerSystem'} WHERE ResultClass = "
                           "Msvm_ReplicationService"));
    expect_part(&f, "<IRETURNVALUE><VALUE.OBJECTWITHPATH>" SVC_PATH);
    query(&f, QUERY("WQL", "REFERENCES OF {Msvm_ComputerSystem.Name='" VM_ID
                           "',CreationClassName='Msvm_ComputerSystem'}"));
    expect_part(&f, "<INSTANCE CLASSNAME=\"Msvm_ServiceAffectsElement\">");
    query(&f, QUERY("WQL", "REFERENCES OF {Nope.Name='x'}"));
    expect_code(&f, CIM_ERR_INVALID_QUERY);
    fixture_deinit(&f);
}

/* What classes are associated with, by declaration. */
static void test_class_associations(void **state)
{
#define CLASS_PATH(c)                                                                              \
    "<CLASSPATH><NAMESPACEPATH><HOST>alpha</HOST>" NS "</NAMESPACEPATH><CLASSNAME NAME=\"" c       \
    "\"/></CLASSPATH>"
#define OBJECT_CLASS(c) OBJECT("<CLASSNAME NAME=\"" c "\"/>")
    struct fixture f = {0};
    post(&f, "ReferenceNames", NS_OBJECT,
         ICALL("ReferenceNames",
               OBJECT_CLASS("Msvm_ConcreteJob") IPARAM("Role", "<VALUE>OwnedElement</VALUE>")));
    expect_part(&f,
                "<IRETURNVALUE><OBJECTPATH>" CLASS_PATH(
                    "CIM_OwningJobElement") "</OBJECTPATH><OBJECTPATH>" CLASS_PATH("Msvm_"
                                                                                   "OwningJobElemen"
                                                                                   "t") "</"
                                                                                        "OBJECTPATH"
                                                                                        "></"
                                                                                        "IRETURNVAL"
                                                                                        "UE>");
    post(&f, "References", NS_OBJECT,
         ICALL("References",
               OBJECT_CLASS("Msvm_ReplicationRelationship") IPARAM(
                   "ResultClass", "<CLASSNAME NAME=\"Msvm_SystemReplicationRelationship\"/>")));
    expect_part(&f, "<IRETURNVALUE><VALUE.OBJECTWITHPATH>" CLASS_PATH(
                        "Msvm_SystemReplicationRelationship") "<CLASS "
                                                              "NAME=\"Msvm_"
                                                              "SystemReplicationRelationship\"");
    post(&f, "AssociatorNames", NS_OBJECT,
         ICALL("AssociatorNames", OBJECT_CLASS("Msvm_ComputerSystem") IPARAM(
                                      "AssocClass", "<CLASSNAME NAME=\"CIM_HostedService\"/>")));
    expect_part(
        &f, "<IRETURNVALUE><OBJECTPATH>" CLASS_PATH("CIM_Service") "</OBJECTPATH></IRETURNVALUE>");
    post(&f, "AssociatorNames", NS_OBJECT,
         ICALL("AssociatorNames", OBJECT_CLASS("Msvm_ComputerSystem")
                                      IPARAM("ResultClass", "<CLASSNAME NAME=\"CIM_Job\"/>")
                                          IPARAM("ResultRole", "<VALUE>AffectedElement</VALUE>")));
    expect_part(&f, "<IRETURNVALUE></IRETURNVALUE>");
    post(&f, "Associators", NS_OBJECT,
         ICALL("Associators", OBJECT_CLASS("CIM_ComputerSystem")
                                  IPARAM("ResultClass", "<CLASSNAME NAME=\"CIM_Job\"/>")));
    expect_part(&f, "<VALUE.OBJECTWITHPATH>" CLASS_PATH("CIM_Job") "<CLASS NAME=\"CIM_Job\"");
    expect_part(&f, CLASS_PATH("Msvm_ConcreteJob"));
    query(&f, QUERY("WQL", "ASSOCIATORS OF {:Msvm_ComputerSystem}"));
    expect_code(&f, CIM_ERR_NOT_SUPPORTED);
    fixture_deinit(&f);
}

static void test_association_errors(void **state)
{
    static const struct {
        const char *body;
        int code;
    } rows[] = {
        {ICALL("Associators", ""), CIM_ERR_INVALID_PARAMETER},
        {ICALL("Associators", OBJECT(VM) IPARAM("AssocClass", "<CLASSNAME NAME=\"Nope\"/>")),
         CIM_ERR_INVALID_PARAMETER},
        {ICALL("Associators", OBJECT(VM) IPARAM("ResultClass", "<CLASSNAME NAME=\"Nope\"/>")),
         CIM_ERR_INVALID_PARAMETER},
        {ICALL("Associators", OBJECT(VM) TRUE_("LocalOnly")), CIM_ERR_INVALID_PARAMETER},
        {ICALL("Associators",
               OBJECT("<INSTANCENAME CLASSNAME=\"Nope\">" KEY("Name", "x") "</INSTANCENAME>")),
         CIM_ERR_INVALID_CLASS},
        {ICALL("Associators", OBJECT("<INSTANCENAME CLASSNAME=\"Msvm_ComputerSystem\">" KEY(
                                  "Name", "x") "</INSTANCENAME>")),
         CIM_ERR_NOT_FOUND},
        {ICALL("Associators", OBJECT("<INSTANCENAME CLASSNAME=\"Msvm_ComputerSystem\"/>")),
         CIM_ERR_NOT_FOUND},
        {ICALL("Associators", OBJECT("<CLASSNAME NAME=\"Nope\"/>")), CIM_ERR_INVALID_CLASS},
        {ICALL("Associators", OBJECT("<CLASSNAME NAME=\"CIM_Job\"/>")
                                  IPARAM("AssocClass", "<CLASSNAME NAME=\"Nope\"/>")),
         CIM_ERR_INVALID_PARAMETER},
    };
    struct fixture f = {0};
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        post(&f, "Associators", NS_OBJECT, rows[i].body);
        expect_code(&f, rows[i].code);
    }
    fixture_deinit(&f);
}

static void test_cim_errors(void **state)
{
    static const struct {
        const char *method, *body;
        int code;
    } rows[] = {
        {"CreateInstance", ICALL("CreateInstance", ""), CIM_ERR_NOT_SUPPORTED},
        {"EnumerateInstances", ICALL("EnumerateInstances", CLASSNAME("No")), CIM_ERR_INVALID_CLASS},
        {"EnumerateInstances", ICALL("EnumerateInstances", ""), CIM_ERR_INVALID_PARAMETER},
        {"EnumerateInstances",
         ICALL("EnumerateInstances", CLASSNAME("CIM_Job") CLASSNAME("CIM_Job")),
         CIM_ERR_INVALID_PARAMETER},
        {"EnumerateInstances",
         ICALL("EnumerateInstances", IPARAM("ClassName", "<VALUE>CIM_Job</VALUE>")),
         CIM_ERR_INVALID_PARAMETER},
        {"EnumerateInstances",
         ICALL("EnumerateInstances",
               CLASSNAME("CIM_Job") IPARAM("LocalOnly", "<VALUE>maybe</VALUE>")),
         CIM_ERR_INVALID_PARAMETER},
        {"EnumerateInstances",
         ICALL("EnumerateInstances", CLASSNAME("CIM_Job") IPARAM("What", "<VALUE/>")),
         CIM_ERR_INVALID_PARAMETER},
        {"EnumerateInstanceNames",
         ICALL("EnumerateInstanceNames",
               CLASSNAME("CIM_Job") IPARAM("LocalOnly", "<VALUE>TRUE</VALUE>")),
         CIM_ERR_INVALID_PARAMETER},
        {"GetInstance",
         ICALL("GetInstance",
               IPARAM("InstanceName", "<INSTANCENAME CLASSNAME=\"Msvm_ComputerSystem\"/>")),
         CIM_ERR_NOT_FOUND},
        {"GetInstance",
         ICALL("GetInstance", IPARAM("InstanceName", "<INSTANCENAME CLASSNAME=\"Nope\"/>")),
         CIM_ERR_INVALID_CLASS},
    };
    struct fixture f = {0};
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        post(&f, rows[i].method, NS_OBJECT, rows[i].body);
        expect_code(&f, rows[i].code);
    }
    post(&f, "GetClass", "root",
         REQ("<IMETHODCALL NAME=\"GetClass\"><LOCALNAMESPACEPATH><NAMESPACE "
             "NAME=\"root\"/></LOCALNAMESPACEPATH>" CLASSNAME("CIM_Job") "</IMETHODCALL>"));
    expect_code(&f, CIM_ERR_INVALID_NAMESPACE);
    post(&f, "Nope", NS_OBJECT ":Msvm_ReplicationService",
         REQ("<METHODCALL NAME=\"Nope\"><LOCALCLASSPATH>" NS
             "<CLASSNAME NAME=\"Msvm_ReplicationService\"/></LOCALCLASSPATH></METHODCALL>"));
    expect_code(&f, CIM_ERR_METHOD_NOT_FOUND);
    expect_part(&f, "<METHODRESPONSE NAME=\"Nope\"><ERROR");
    post(&f, "Resynchronize", NS_OBJECT ":Msvm_ReplicationService",
         REQ("<METHODCALL NAME=\"Resynchronize\"><LOCALCLASSPATH>" NS
             "<CLASSNAME NAME=\"Msvm_ReplicationService\"/></LOCALCLASSPATH></METHODCALL>"));
    expect_code(&f, CIM_ERR_METHOD_NOT_AVAILABLE);
    assert_int_equal(f.invoked, 0);
    fixture_deinit(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_get_class),    T(test_local_only),         T(test_class_lists),
        T(test_qualifiers),   T(test_not_supported),      T(test_modify_instance),
        T(test_instances),    T(test_exec_query),         T(test_instance_flags),
        T(test_get_property), T(test_same_instance),      T(test_association_filters),
        T(test_associations), T(test_class_associations), T(test_association_errors),
        T(test_cim_errors)};
    return cmocka_run_group_tests(tests, load_schema, free_schema);
}
