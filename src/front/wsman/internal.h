/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of this folder: envelope (headers to a call, an answer's frame), address
 * (resource URIs, selectors, references), datetime, write and read (values), fragment (parts of an
 * instance), schema (classes), then get, put, enumerate and invoke. */
#pragma once
#include "front/wsman/faults.h"
#include "front/wsman/wsman.h"
#include "front/xml/xml.h"

#define NS_S "http://www.w3.org/2003/05/soap-envelope"
#define NS_A "http://schemas.xmlsoap.org/ws/2004/08/addressing"
#define NS_N "http://schemas.xmlsoap.org/ws/2004/09/enumeration"
#define NS_X "http://schemas.xmlsoap.org/ws/2004/09/transfer"
#define NS_W "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"
#define NS_CIM "http://schemas.dmtf.org/wbem/wscim/1/common"
#define NS_XSI "http://www.w3.org/2001/XMLSchema-instance"
#define NS_ID "http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd"
#define NS_P "http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd"
#define NS_F "http://schemas.microsoft.com/wbem/wsman/1/wsmanfault"
#define WSMAN_ANONYMOUS NS_A "/role/anonymous"
#define WSMAN_PROTOCOL "http://schemas.dmtf.org/wbem/wsman/1/wsman"
#define WSMAN_DETAIL WSMAN_PROTOCOL "/faultDetail/"
#define WSMAN_TAIL "</s:Body></s:Envelope>" /* of every answer */
#define URI_WMI "http://schemas.microsoft.com/wbem/wsman/1/wmi/"
#define URI_CIM "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/"
#define URI_ALL "http://schemas.dmtf.org/wbem/wscim/1/*"
#define URI_CLASSES "http://schemas.dmtf.org/wbem/cim-xml/2/cim-schema/2/" /* classes as such */
#define DEFAULT_NAMESPACE "root/cimv2" /* DSP0227: of the DMTF form without __cimnamespace */

/* What a client calls things: our answers use its own way. */
struct wsman_names {
    bool wmi;       /* Microsoft's URIs, with the namespace in them */
    bool classes;   /* not instances, but the class itself */
    const char *ns; /* of the call, as the schema spells it once that is known */
};

/* Of classes: the options of a request. */
struct wsman_class_form {
    bool no_qualifiers, local_only, origin;
};

struct wsman_call {
    struct cim_broker *broker;
    struct cim_caller caller;
    struct cim_arena arena;
    wsman_done done;
    void *ctx;
    /* the headers; what was not there is NULL */
    const char *id, *action, *uri;
    bool identify, want_total;
    bool acted;            /* a method has run: an answer that is too large does not undo it */
    uint32_t max_envelope; /* bytes of the answer */
    struct wsman_names names;
    struct cim_path target; /* class ("*" is any) and selectors; no namespace */
    struct wsman_class_form class_form;
    /* NULL: none, or the document is gone */
    const xmlNode *body;         /* first element of the body */
    const xmlNode *fragment;     /* the header FragmentTransfer */
    enum wsman_fault_kind fault; /* the first one counts */
    const char *fault_detail;    /* static; NULL: none */
    char fault_text[CIM_TEXT_MAX];
};

struct wsman_fragment;

/* --- envelope.c --- */
VR_PRINTF(4, 5)
void wsman_fail(struct wsman_call *c,
                enum wsman_fault_kind kind,
                const char *detail, /* the end of its URI, static; NULL: none */
                const char *fmt,
                ...);
/* A CIM status as the fault DSP0227 names for it. */
void wsman_fail_cim(struct wsman_call *c, const struct cim_status *st);
/* ... of a Put, where values that cannot be are an invalid representation. */
void wsman_fail_put(struct wsman_call *c, const struct cim_status *st);
/* Fills what the headers say. The call has a fault when they are not right. */
void wsman_read_envelope(struct wsman_call *c, const xmlNode *root);
/* An answer up to where the body's content stands. total < 0: not said. */
void wsman_begin(const struct wsman_call *c, struct vr_buf *b, const char *action, int64_t total);
/* The same, with the part of the instance that it holds in a header. */
void wsman_begin_fragment(const struct wsman_call *c,
                          struct vr_buf *b,
                          const char *action,
                          const struct wsman_fragment *f);
/* Ends it, gives it to the client, or the call's fault instead. Takes what is in b. */
void wsman_end(struct wsman_call *c, struct vr_buf *b);
/* Of the buffers answers are made in: one object too many must not spoil those before it. */
#define WSMAN_BUFFER_MAX (2 * WSMAN_ENVELOPE_MAX)

bool node_in(const xmlNode *n, const char *ns, const char *name);
/* The first child element called so, in any namespace; NULL: none. */
xmlNode *node_child(const xmlNode *n, const char *name);
/* Text without white space around; NULL: it has elements inside. */
const char *node_token(struct cim_arena *a, const xmlNode *n);
/* xsi:nil, xsi:type and the like, whatever the client thinks xsi is. NULL: none. */
const char *node_any_attr(struct cim_arena *a, const xmlNode *n, const char *name);
bool node_is_nil(struct cim_arena *a, const xmlNode *n);

/* --- address.c --- */
/* A resource URI: names and class_name. False: none that is served here. */
bool wsman_read_uri(struct cim_arena *a,
                    const char *uri,
                    struct wsman_names *ret_names,
                    const char **ret_class);
/* SelectorSet to the keys of path; *ret_ns: what __cimnamespace says, or untouched. NULL: fine;
 * else what is wrong. */
const char *wsman_read_selectors(struct cim_arena *a,
                                 const xmlNode *set,
                                 unsigned depth,
                                 struct cim_path *path,
                                 const char **ret_ns);
/* What holds Address and ReferenceParameters; namespaces in it are not kept. False: no
 * reference. */
bool wsman_read_epr(struct cim_arena *a, const xmlNode *n, unsigned depth, struct cim_path *ret);
void put_class_uri(struct vr_buf *b,
                   const struct wsman_names *names,
                   const char *ns,
                   const char *class_name);
/* Address and ReferenceParameters */
void put_epr(struct vr_buf *b, const struct wsman_names *names, const struct cim_path *p);
/* The class of the call; NULL: the call has a fault. Sets names.ns. */
const struct cim_class *wsman_class(struct wsman_call *c);
/* The one instance the selectors mean, which may be less than all keys. False: fault. */
bool wsman_find(struct wsman_call *c, const struct cim_class *cls, struct cim_path *ret);

/* --- datetime.c --- */
/* The 25 characters for whatever form a client has; what is none is given back as it is. */
const char *wsman_datetime(struct cim_arena *a, const char *text);
/* xs:duration in microseconds. */
bool wsman_duration(const char *text, uint64_t *ret_us);
void put_datetime(struct vr_buf *b, const char *text);

/* --- write.c --- */
/* What many instances have in common: the order of the properties, and which. */
struct wsman_form {
    const struct cim_class *cls;
    uint32_t *order, norder;
    const char *const *list; /* names; nlist 0: all */
    uint32_t nlist;
};
void wsman_form_deinit(struct wsman_form *form);
void put_wsman_instance(struct vr_buf *b,
                        const struct wsman_names *names,
                        struct wsman_form *form,
                        const struct cim_instance *i);
/* <p:NAME>...</p:NAME>, as often as an array has elements */
void put_wsman_value(struct vr_buf *b,
                     const struct wsman_names *names,
                     const char *name,
                     const struct cim_value *v);

/* --- fragment.c --- */
struct wsman_fragment {
    const char *path; /* as the client says it */
    const char *name; /* NULL: all of the instance */
    int prop;         /* its index in the class */
    uint32_t index;   /* from 1; 0: all elements of an array */
    bool text;
};
/* Of a call that has one. False: fault. */
bool wsman_read_fragment(struct wsman_call *c,
                         const struct cim_class *cls,
                         struct wsman_fragment *ret);
/* XmlFragment; nil when there is nothing. The call may get a fault. */
void put_fragment(struct wsman_call *c,
                  struct vr_buf *b,
                  const struct wsman_fragment *f,
                  const struct cim_instance *i);

/* --- schema.c --- */
struct cim_pull;
void put_wsman_class(struct vr_buf *b,
                     const struct cim_class *cls,
                     const struct wsman_class_form *f);
void wsman_get_class(struct wsman_call *c, struct vr_buf *b);
/* Fills the enumeration with one instance, of no values, of each class that is asked for. */
void wsman_list_classes(struct wsman_call *c,
                        struct cim_pull *pull,
                        const struct cim_schema *schema);

/* --- read.c --- */
/* What stands in METHOD_INPUT. False: the call has a fault. */
bool wsman_read_params(struct wsman_call *c, const xmlNode *input, struct cim_invoke *inv);

/* An instance's element, or one of a property, as what is to be modified; what was read before
 * stays. False: the call has a fault. */
bool wsman_read_object(struct wsman_call *c,
                       const xmlNode *n,
                       const struct cim_class *cls,
                       struct cim_modify *m);
bool wsman_read_property(struct wsman_call *c,
                         const xmlNode *n,
                         const struct cim_class *cls,
                         int prop,
                         struct cim_modify *m);

/* --- the operations: each ends in exactly one answer --- */
void wsman_get(struct wsman_call *c, struct vr_buf *b);
void wsman_enumerate(struct wsman_call *c, struct vr_buf *b);
void wsman_pull(struct wsman_call *c, struct vr_buf *b);
void wsman_renew(struct wsman_call *c, struct vr_buf *b);
void wsman_get_status(struct wsman_call *c, struct vr_buf *b);
void wsman_release(struct wsman_call *c, struct vr_buf *b);
/* Takes c, answers itself. */
void wsman_invoke(struct wsman_call *take_c);
void wsman_put(struct wsman_call *take_c);
void wsman_call_free(struct wsman_call *c);
