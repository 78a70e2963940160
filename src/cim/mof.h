/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part of MOF that our schemas are written in: declarations of qualifiers (with scope and
 * flavor), and of classes with qualifiers, properties (scalar, array, REF, initial value) and
 * methods. #pragma lines are skipped; instances, and flavors where a qualifier is used, are
 * refused.
 */
#pragma once
#include "cim/class.h"

#define CIM_MOF_MAX_BYTES (1024 * 1024)
#define CIM_MOF_MEMORY_MAX (16 * 1024 * 1024)
#define CIM_CLASS_FEATURES_MAX 256 /* properties, methods, parameters and qualifiers, each */

/* A superclass stands before its subclasses, a qualifier's declaration before its use. What is
 * inherited or overridden brings its qualifiers as their flavors say. INVALID, with source:line. */
VR_MUST_CHECK int cim_mof_parse(
    const char *text, size_t n, const char *source, struct cim_schema **ret, struct vr_err *err);
