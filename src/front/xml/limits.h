/* SPDX-License-Identifier: Apache-2.0 */
/* What an XML document from outside may be; more is refused before anything is built. */
#pragma once

#define FRONT_XML_MAX_BYTES (1024 * 1024)
#define FRONT_XML_DEPTH_MAX 64
#define FRONT_XML_ATTRS_MAX 32 /* of one element; libxml2 is quadratic in them */
#define FRONT_XML_ELEMENTS_MAX 100000
