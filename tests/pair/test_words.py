"""The last words of programs that failed, as the real ones said them."""

from __future__ import annotations

import pytest

from k8sdeployment.pair import words

REDFISH = """\
2026-11-27 22:30:13,318 ERROR: Failed: send_get_request: HTTPSConnectionPool(host='192.0.2.1', port=443): Max retries

2026-11-27 22:30:13,318 ERROR: Please use '-h' for usage

"""
IPMI = """\
/usr/sbin/fence_ipmilan:5: DeprecationWarning: 'pipes' is deprecated and slated for removal in Python 3.13
  from pipes import quote
2026-11-27 22:30:33,899 ERROR: Connection timed out


"""


@pytest.mark.parametrize("stderr, stdout, said", [
    (REDFISH, "", "Failed: send_get_request: HTTPSConnectionPool(host='192.0.2.1', port=443): Max retries"),
    (IPMI, "", "Connection timed out"),
    ("one\ntwo\n", "three", "two"),
    ("", "one\n\n", "one"),
    ("\n", " ", "it said nothing"),
])
def test_the_line_that_tells_something(stderr: str, stdout: str, said: str) -> None:
    assert words.last(stderr, stdout) == said


def test_the_end_of_a_long_line_tells_why() -> None:
    assert words.last("x" * 300 + " refused", most=10) == "…xx refused"
