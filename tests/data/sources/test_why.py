from geotune.data.sources import found, why
from geotune.data.sources.why import TOO_SMALL, WHY


def test_every_reason_has_its_why() -> None:
    reasons = {value for name, value in vars(why).items() if name.isupper() and isinstance(value, str)}
    assert reasons == WHY.keys()
    assert all(len(text) > 20 and not text.endswith(".") for text in WHY.values())
    assert found.WHY is WHY


def test_reasons_with_a_detail_are_known() -> None:
    assert why.why("cannot be read (Permission denied)") == WHY[why.UNREADABLE]
    assert why.why(TOO_SMALL.format(px=32)) == WHY[TOO_SMALL]
    assert why.why("smaller than 64 px") == WHY[TOO_SMALL]
    assert why.why("truncated") == WHY[why.TRUNCATED]
    assert why.why("something else") == ""
