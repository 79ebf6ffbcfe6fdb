from tests.values.test_variables import *  # noqa: F403
