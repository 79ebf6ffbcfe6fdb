from tests.values.test_times import *  # noqa: F403
