from tests.values.test_gotype import *  # noqa: F403
