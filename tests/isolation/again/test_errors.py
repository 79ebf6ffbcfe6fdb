from tests.values.test_errors import *  # noqa: F403
