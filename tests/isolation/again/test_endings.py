from tests.runtime.test_endings import *  # noqa: F403
