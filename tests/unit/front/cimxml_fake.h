/* SPDX-License-Identifier: Apache-2.0 */
/* For the tests of CIM-XML: requests in pieces, a broker that records the call it got, and what
 * came back. The schema is the shipped one. */
#pragma once
#include "front/cimxml/cimxml.h"
#include "tests/lib/check.h"

#define NS                                                                                         \
    "<LOCALNAMESPACEPATH><NAMESPACE NAME=\"root\"/><NAMESPACE "                                    \
    "NAME=\"virtualization\"/><NAMESPACE NAME=\"v2\"/></LOCALNAMESPACEPATH>"
#define KEY(n, v)                                                                                  \
    "<KEYBINDING NAME=\"" n "\"><KEYVALUE VALUETYPE=\"string\">" v "</KEYVALUE></KEYBINDING>"
#define VM_ID "00000001-0000-4000-8000-000000000000"
#define VM                                                                                         \
    "<INSTANCENAME CLASSNAME=\"Msvm_ComputerSystem\">" KEY(                                        \
        "CreationClassName", "Msvm_ComputerSystem") KEY("Name", VM_ID) "</INSTANCENAME>"
/* as we write it: keys in the order of the class, with their type */
#define KEY_OUT(n, v)                                                                              \
    "<KEYBINDING NAME=\"" n "\"><KEYVALUE VALUETYPE=\"string\" TYPE=\"string\">" v                 \
    "</KEYVALUE></KEYBINDING>"
#define VM_OUT                                                                                     \
    "<INSTANCENAME CLASSNAME=\"Msvm_ComputerSystem\">" KEY_OUT("Name", VM_ID)                      \
        KEY_OUT("CreationClassName", "Msvm_ComputerSystem") "</INSTANCENAME>"
#define SVC                                                                                        \
    "<INSTANCENAME CLASSNAME=\"Msvm_ReplicationService\">" KEY("SystemCreationClassName",          \
                                                               "Msvm_ComputerSystem")              \
        KEY("SystemName", "host") KEY("CreationClassName", "Msvm_ReplicationService")              \
            KEY("Name", "replicasvc") "</INSTANCENAME>"
#define CIM(v, d, p, inner)                                                                        \
    "<?xml version=\"1.0\" encoding=\"utf-8\" ?>\n<CIM CIMVERSION=\"" v "\" DTDVERSION=\"" d       \
    "\"><MESSAGE ID=\"47&amp;11\" PROTOCOLVERSION=\"" p "\">" inner "</MESSAGE></CIM>"
#define REQ(inner) CIM("2.0", "2.0", "1.0", "<SIMPLEREQ>" inner "</SIMPLEREQ>")
#define ICALL(name, params) REQ("<IMETHODCALL NAME=\"" name "\">" NS params "</IMETHODCALL>")
#define CALL(params)                                                                               \
    REQ("<METHODCALL NAME=\"Resynchronize\"><LOCALINSTANCEPATH>" NS SVC                            \
        "</LOCALINSTANCEPATH>" params "</METHODCALL>")
#define IPARAM(n, v) "<IPARAMVALUE NAME=\"" n "\">" v "</IPARAMVALUE>"
#define CLASSNAME(c) IPARAM("ClassName", "<CLASSNAME NAME=\"" c "\"/>")
#define NS_OBJECT "root%2Fvirtualization%2Fv2"
/* as wbemcli sends it: quotes raw, ':' and '/' escaped */
#define SVC_OBJECT                                                                                 \
    NS_OBJECT                                                                                      \
    "%3AMsvm_ReplicationService.SystemCreationClassName=\"Msvm_ComputerSystem\",SystemName="       \
    "\"host\",CreationClassName=\"Msvm_ReplicationService\",Name=\"replicasvc\""

#define FALSE_(name) IPARAM(name, "<VALUE>FALSE</VALUE>")
#define TRUE_(name) IPARAM(name, "<VALUE>TRUE</VALUE>")

struct fixture {
    struct cim_broker broker; /* first: the ops get it back */
    unsigned invoked, answered;
    uint32_t nparams;
    struct cim_param params[CIM_PARAMS_MAX];
    char ref_class[64], ref_name[64], text[64], user[16];
    bool ref_has_ns, later;
    unsigned copies;     /* how often the VM is listed; 0 stands for 1 */
    uint64_t now_ms;     /* for the enumerations */
    const char *as_user; /* NULL: anna */
    bool no_pulls;
    bool lists_service; /* it is found by some of its keys, too */
    bool arrays;        /* the VM that is got has OperationalStatus 2, 32768 */
    /* instances that were modified, and with what: "Name=value Other=NULL "; modify_code: the
     * status it gives */
    unsigned modified;
    char changes[256];
    int modify_code;
    struct cim_pulls *pulls; /* made by the first request */
    /* while the call's memory is there; NULL: nobody looks */
    void (*look)(struct fixture *f, const struct cim_invoke *call);
    const char *reason; /* of the return value, NULL: none */
    cim_invoke_done done;
    void *done_ctx;
    int http;
    char cim_error[64], reason_header[256];
    char *body;
};

/* Ready for a request. */
struct cim_broker *fixture_broker(struct fixture *f);
/* Setup and teardown of the group. */
int load_schema(void **state);
int free_schema(void **state);
/* Once, a second one: its Msvm_ComputerSystem has an instance, too. */
void add_namespace(const char *ns, const char *mof);
/* The broker's answer to a method, when f->later kept it. */
void fixture_deinit(struct fixture *f);
void reply(cim_invoke_done done, void *ctx);
void send_raw(struct fixture *f, const struct cimxml_headers *h, const char *body, size_t len);
void post(struct fixture *f, const char *method, const char *object, const char *body);
void expect_http(struct fixture *f, int http, const char *cim_error);
void expect_part(struct fixture *f, const char *part);
void expect_code(struct fixture *f, int code);
