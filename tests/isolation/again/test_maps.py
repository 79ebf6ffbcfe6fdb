from tests.values.test_maps import *  # noqa: F403
