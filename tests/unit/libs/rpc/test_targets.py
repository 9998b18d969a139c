"""One address, a name, or the addresses of several replicas."""

import pytest

from libs.rpc.targets import dial_target, may_be_many


@pytest.mark.parametrize(
    ("text", "dialled", "many"),
    [
        ("127.0.0.1:50053", "127.0.0.1:50053", False),
        ("retrieval:50053", "retrieval:50053", False),
        ("dns:///retrieval:50053", "dns:///retrieval:50053", True),
        ("unix:///run/retrieval.sock", "unix:///run/retrieval.sock", False),
        ("10.0.0.1:1, 10.0.0.2:2", "ipv4:10.0.0.1:1,10.0.0.2:2", True),
        ("localhost:1,127.0.0.1:2,", "ipv4:127.0.0.1:1,127.0.0.1:2", True),
        ("[::1]:1,[::2]:2", "ipv6:[::1]:1,[::2]:2", True),
    ],
)
def test_what_grpc_is_told(text: str, dialled: str, many: bool) -> None:
    assert dial_target(text) == dialled
    assert may_be_many(text) == many


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "needs an address"),
        (" , ", "needs an address"),
        ("a:1,b:2", "dns:///"),
        ("10.0.0.1:1,10.0.0.2", "IP:port"),
        ("10.0.0.1:1,10.0.0.2:99999", "IP:port"),
        ("10.0.0.1:1,[::1]:2", "together"),
    ],
)
def test_a_list_grpc_could_not_use_is_refused_with_a_hint(text: str, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        dial_target(text)
