from tests.runtime.test_surroundings import *  # noqa: F403
