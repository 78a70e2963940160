# SPDX-License-Identifier: Apache-2.0
"""The machinery of the bench suite; see bench/README.md."""
