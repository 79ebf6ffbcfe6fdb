"""Measurements: ``python -m benchmarks``. What they found is in ``docs/performance.md``."""
