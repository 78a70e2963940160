/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a definition of another host may ask of this one. Whoever rules the primary may be the one
 * whom the replica is kept for, so its definition gets a virtual machine and nothing else: no
 * program, no argument for QEMU, no file, directory, socket or device of this host, but files in
 * directories that this host's configuration names. Elements that are not known are left out.
 */
#pragma once
#include <libxml/tree.h>

#include "inventory/replica_xml.h"

/* Is the path below one of the directories, which have colons between them? Links in them are this
 * host's own. */
bool reach_allows(const char *dirs, const char *path);
/* Takes out of the domain what reaches too far, each with a note. Disks, host devices and NVRAM are
 * left to replica_xml, which takes nothing of theirs over that names something of a host. */
void reach_limit(xmlNode *domain,
                 const struct replica_host *host,
                 struct vr_definition_notes *notes);
