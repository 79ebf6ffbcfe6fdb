from tests.policy.test_reset import *  # noqa: F403
