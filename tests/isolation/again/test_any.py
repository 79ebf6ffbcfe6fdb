from tests.values.test_any import *  # noqa: F403
