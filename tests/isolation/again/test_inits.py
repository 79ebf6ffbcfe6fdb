from tests.opening.test_inits import *  # noqa: F403
