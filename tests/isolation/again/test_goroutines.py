from tests.runtime.test_goroutines import *  # noqa: F403
