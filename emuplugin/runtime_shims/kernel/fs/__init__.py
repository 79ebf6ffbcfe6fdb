"""The file system of the emulated kernel: inodes of several kinds in one tree.

:mod:`node` says what an inode can do; :mod:`memory`, :mod:`host`, :mod:`overlay`, :mod:`proc` and
:mod:`dev` are the kinds of inodes there are; :mod:`walk` finds them by path; :mod:`tree` puts the
tree of one machine together; :mod:`names` and :mod:`opening` are what can be done with paths, for
the guest (:mod:`calls`) and for Python (``emuplugin.guest_files``).
"""
