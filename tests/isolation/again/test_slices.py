from tests.values.test_slices import *  # noqa: F403
