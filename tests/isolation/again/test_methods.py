from tests.values.test_methods import *  # noqa: F403
