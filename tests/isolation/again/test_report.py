from tests.policy.test_report import *  # noqa: F403
