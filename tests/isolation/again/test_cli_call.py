from tests.cli.test_call import *  # noqa: F403
