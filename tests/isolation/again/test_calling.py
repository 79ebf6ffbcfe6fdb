from tests.values.test_calling import *  # noqa: F403
