from tests.opening.test_failures import *  # noqa: F403
