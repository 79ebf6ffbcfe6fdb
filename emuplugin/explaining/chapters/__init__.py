"""The chapters of a story, one module each: from a run to blocks."""
