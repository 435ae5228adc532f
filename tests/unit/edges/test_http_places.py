"""Places at the HTTP door: who is closed for whom."""

from __future__ import annotations

from quantmind.edges.http_places import RESERVED, Place, Places


def come(places: Places, at: float, address: str = "127.0.0.1", **state: bool) -> Place:
    """One more connection, if it may, in the place of whoever must go."""
    welcome, leaving = places.make_room()
    assert welcome
    if leaving is not None:
        places.leave(leaving)
        leaving.close()
    place = Place(address, at, lambda: None, **state)
    places.take(place)
    return place


def test_the_last_places_are_for_those_who_showed_a_token() -> None:
    """Strangers never have more than the door holds less the reserve; those who are known may have all."""
    places = Places(512)
    for number in range(2000):
        come(places, float(number))
    assert len(places) == places.for_strangers == 512 - RESERVED
    for number in range(RESERVED):
        come(places, 3000.0 + number).known = True
    assert (places.known, len(places)) == (RESERVED, 512 - 1)


def test_the_longest_quiet_of_the_address_that_has_most_goes() -> None:
    """An address with few connections loses none to one that opens many."""
    places = Places(8)
    old = come(places, 1.0, "10.0.0.2")
    many = [come(places, 2.0 + number, "10.0.0.9") for number in range(5)]
    assert places.make_room() == (True, many[0])
    many[0].answering = True
    assert places.make_room() == (True, many[1])
    many[1].quiet_since = 100.0
    assert places.make_room() == (True, many[2])
    assert old.quiet_since < many[2].quiet_since


def test_who_is_known_goes_last_and_who_is_being_answered_never() -> None:
    """Without a stranger to close, a known one that asks for nothing goes; with everybody being answered, nobody."""
    places = Places(3)
    known = [come(places, float(number), known=True) for number in range(3)]
    assert places.make_room() == (True, known[0])
    for place in known:
        place.answering = True
    assert places.make_room() == (False, None)


def test_strangers_who_are_being_answered_do_not_keep_an_operator_out() -> None:
    """The reserve takes a newcomer in when no stranger can be closed."""
    places = Places(8)
    for number in range(6):
        come(places, float(number)).answering = True
    assert places.make_room() == (True, None)
