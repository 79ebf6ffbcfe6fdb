"""A machine in a process of its own: ``Machine(sandbox, isolate="process")``.

The emulator runs in a worker process that may do next to nothing (hardening.py and below it). This
process holds proxies for what lives there (proxies.py and its neighbours) and asks for everything
by messages of a small protocol (wire.py, operations.py). What comes from the worker is taken for
data: numbers, texts, bytes, lists of these, and numbers of things that the worker keeps. Nothing
in it is executed, imported or looked up by name but in fixed tables.
"""
