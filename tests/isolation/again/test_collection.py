from tests.values.test_collection import *  # noqa: F403
