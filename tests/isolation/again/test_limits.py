from tests.policy.test_limits import *  # noqa: F403
