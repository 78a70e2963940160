# SPDX-License-Identifier: Apache-2.0
"""The groups of rows, in the order they run. One module each, with

    the docstring       its first line is the heading of the group's table
    cost(bench)         seconds that the rows of the bars take, about, each in three rounds
    run(bench)          measures; records with bench.add(case, who, wall=..., ...), see vrbench/table.py for the figures
                        that have a column. Raises bench.Missing when this machine cannot do it, bench.Wrong when a
                        replica is wrong.
"""
import importlib

ORDER = ["lan", "cold", "qcow2", "wan", "memory", "storm", "idle", "management", "guest"]
MORE = ["lan", "cold", "qcow2", "wan", "management", "guest"]  # have rows that no bar depends on


def load(name):
    return importlib.import_module("groups." + name)
