from tests.opening.test_two_plugins import *  # noqa: F403
