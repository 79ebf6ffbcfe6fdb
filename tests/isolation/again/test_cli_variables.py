from tests.cli.test_variables import *  # noqa: F403
