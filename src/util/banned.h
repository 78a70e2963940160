/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that do not compile here: each has a bounded or reentrant form. Included by the build
 * before every file. */
#pragma once
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#undef strcpy
#undef strncpy
#undef strcat
#undef strncat
#undef sprintf
#undef vsprintf
#undef strtok
#pragma GCC poison strcpy strncpy strcat strncat sprintf vsprintf strtok atoi atol atof gmtime     \
    localtime
