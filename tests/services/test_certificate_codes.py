"""Public ids of certificates cannot be guessed and are hard to misread."""

from services.certificates.codes import new_code


def test_codes_have_26_characters_without_look_alikes_and_never_repeat() -> None:
    codes = {new_code() for _ in range(10_000)}
    assert len(codes) == 10_000
    assert {len(code) for code in codes} == {26}
    used = set("".join(codes))
    assert len(used) == 32  # five bits a character, 130 in all
    assert used.isdisjoint("ILOUabcdefghijklmnopqrstuvwxyz")
