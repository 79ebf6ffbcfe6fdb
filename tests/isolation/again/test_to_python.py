from tests.values.test_to_python import *  # noqa: F403
