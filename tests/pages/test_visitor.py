"""A browser keeps its name over page loads, and any cookie gives one."""

import pytest

from pages.components.common.visitor import _token


def masked(token, mask):
    return bytes(b ^ mask[i % 4] for i, b in enumerate(token)).hex()


def test_the_same_secret_under_two_masks_is_one_visitor():
    token = bytes(range(16))
    cookies = [
        f"2|{mask.hex()}|{masked(token, mask)}|{time}"
        for mask, time in ((b"abcd", 1), (b"\x00\xff\x10\x99", 2))
    ]
    assert {_token(cookie) for cookie in cookies} == {token.hex()}


@pytest.mark.parametrize("cookie", ["x", "2|zz|00|1", "2||00|1", "2|00|0|1"])
def test_a_cookie_of_another_form_is_taken_as_it_is(cookie):
    assert _token(cookie) == cookie
