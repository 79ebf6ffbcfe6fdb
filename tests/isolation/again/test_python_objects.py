from tests.values.test_python_objects import *  # noqa: F403
