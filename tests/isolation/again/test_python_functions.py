from tests.values.test_python_functions import *  # noqa: F403
