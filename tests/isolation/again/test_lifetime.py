from tests.values.test_lifetime import *  # noqa: F403
