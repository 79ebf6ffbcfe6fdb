"""The cache on disk: machines as they are after a plugin was opened.

``entry`` is the format of a file, ``folder`` where the files are and how they are trusted, ``key``
what has to be the same for one to be used, ``opening`` puts these together for a machine.
"""
