"""Telling the story of a run, for those who learn how plugins work: :func:`emuplugin.explain`.

run.py does what is told of and notes it (start.py the mapping and the boot, observation.py the
call); chapters/ makes blocks of text and tables from that; to_html.py and to_text.py show them.
"""

from .blocks import Chapter
from .explanation import Explanation, explain
from .story import Story

__all__ = ["Chapter", "Explanation", "Story", "explain"]
