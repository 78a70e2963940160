/* SPDX-License-Identifier: Apache-2.0 */
/* For the tests of WS-Management: envelopes in pieces, on the broker of cimxml_fake.h. */
#pragma once
#include "cimxml_fake.h"
#include "front/wsman/wsman.h"

#define WMI_URI "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/virtualization/v2/"
#define CIM_URI "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/"
#define ANON "http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous"
#define TRANSFER "http://schemas.xmlsoap.org/ws/2004/09/transfer/"
#define ENUM "http://schemas.xmlsoap.org/ws/2004/09/enumeration/"
#define MESSAGE "uuid:AbC-1&amp;2"

#define ENVELOPE_NS                                                                                \
    "xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" "                                         \
    "xmlns:a=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\" "                                \
    "xmlns:n=\"http://schemas.xmlsoap.org/ws/2004/09/enumeration\" "                               \
    "xmlns:w=\"http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd\" "                                  \
    "xmlns:b=\"http://schemas.dmtf.org/wbem/wsman/1/cimbinding.xsd\" "                             \
    "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\""
#define TO "<a:To>/wsman</a:To>"
#define REPLY "<a:ReplyTo><a:Address>" ANON "</a:Address></a:ReplyTo>"
#define ID_HEADER "<a:MessageID>" MESSAGE "</a:MessageID>"
#define ENVELOPE(header, body)                                                                     \
    "<s:Envelope " ENVELOPE_NS "><s:Header>" header "</s:Header><s:Body>" body                     \
    "</s:Body></s:Envelope>"
#define HEADERS(action, uri, more)                                                                 \
    TO REPLY ID_HEADER "<a:Action>" action                                                         \
                       "</a:Action><w:ResourceURI s:mustUnderstand=\"true\">" uri                  \
                       "</w:ResourceURI>" more
#define REQUEST(action, uri, more, body) ENVELOPE(HEADERS(action, uri, more), body)
#define SEL(name, value) "<w:Selector Name=\"" name "\">" value "</w:Selector>"
#define SET(selectors) "<w:SelectorSet>" selectors "</w:SelectorSet>"
#define IN_NS SEL("__cimnamespace", "root/virtualization/v2")
#define VM_KEYS SEL("CreationClassName", "Msvm_ComputerSystem") SEL("Name", VM_ID)
#define GET(uri, selectors) REQUEST(TRANSFER "Get", uri, SET(selectors), "")
#define ENUMERATE(uri, more)                                                                       \
    REQUEST(ENUM "Enumerate", uri, "", "<n:Enumerate>" more "</n:Enumerate>")
#define EPR                                                                                        \
    "<a:Address>" ANON "</a:Address><a:ReferenceParameters><w:ResourceURI>" WMI_URI                \
    "Msvm_ComputerSystem</w:ResourceURI>" SET(VM_KEYS) "</a:ReferenceParameters>"
#define SERVICE WMI_URI "Msvm_ReplicationService"
#define CALL_WITH(params)                                                                          \
    REQUEST(SERVICE "/Resynchronize", SERVICE,                                                     \
            SET(SEL("SystemCreationClassName", "Msvm_ComputerSystem") SEL("SystemName", "host")    \
                    SEL("CreationClassName", "Msvm_ReplicationService")                            \
                        SEL("Name", "replicasvc")),                                                \
            "<p:Resynchronize_INPUT xmlns:p=\"" SERVICE "\">" params "</p:Resynchronize_INPUT>")

void ask(struct fixture *f, const char *envelope);
/* The text of what an expression finds in the answer, with the prefixes clients look for;
 * borrowed until the next one. */
char *find(struct fixture *f, const char *expression);
void expect(struct fixture *f, const char *expression, const char *wanted);
/* Its subcode (or code), and the end of its detail's URI: "" is none. */
void expect_fault(struct fixture *f, const char *code, const char *detail);
void expect_ok(struct fixture *f);
