from tests.values.test_composites import *  # noqa: F403
