"""Text to tree: limits, encodings and syntax errors."""

import time

import pytest

from quantmind.config import ConfigError, loads

MIB = 1024 * 1024
NESTED = "".join(f"{' ' * depth}a:\n" for depth in range(33))
BOMB = "a0: &a0 [1,1,1,1,1,1,1,1,1,1]\n" + "".join(
    f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 10)
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("brokers:\n\tdemo:", "2: not YAML: a tab cannot stand here; indent with spaces"),
        ("brokers: {a: 1", '1: not YAML: a "," or the closing bracket is missing'),
        ("brokers: [1,\na: 2\nb: 3", '3: not YAML: a "," or the closing bracket is missing (opened on line 1)'),
        ("brokers: 'x\na: 1\nb: 2", "1: not YAML: a quote is opened and never closed"),
        ("a: 1\nbrokers\nb: 1", '2: not YAML: this is not "key: value"; a ":" or a closing quote is missing'),
        (
            "brokers: a: b",
            '1: not YAML: a ":" cannot stand here; check the indentation, and put a value with ": " in quotes',
        ),
        ("a: 1\nb: @x", '2: not YAML: a value that begins with @, ` or % needs quotes around it: "…"'),
        ("a: 1\nb: *x", '2: a "*" begins an alias and no such anchor stands above; put such a value in quotes'),
        ('a: "C:\\qm"', '1: not YAML: a "\\" in double quotes begins an escape; use single quotes or write \\\\'),
        ("a: 1\n---\nb: 2", '2: a second document begins here; remove the "---"'),
        ("- a\n- b", '1: the file must be a mapping of keys such as "brokers:"'),
        ("brokers", '1: the file must be a mapping of keys such as "brokers:"'),
        ("a: &a [*a]", "1: an alias stands inside what it repeats; write the value out"),
        ('a: 1\nb: "\\UFFFFFFFF"', "2: not YAML: a number in an escape or a directive is too large"),
        ("%YAML 1." + "9" * 5000 + "\n---\na: 1", "1: not YAML: a number in an escape or a directive is too large"),
        ("a: 1\nb: \0", "2: the character U+0000 cannot stand in YAML; remove it"),
        ("a: 1\nb: \ud800", "2: the character U+D800 cannot stand in YAML; remove it"),
    ],
)
def test_what_is_not_yaml_is_one_fault_with_its_line(text, expected):
    """A syntax error ends the reading and says where and what to do, in words for users of the file."""
    with pytest.raises(ConfigError) as caught:
        loads(text, name="b.yaml", environ={})

    assert [f"b.yaml:{expected}"] == str(caught.value).splitlines()


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"brokers: {}\n# \xff\n", "b.yaml:2: byte 0xff is not UTF-8; save the file as UTF-8"),
        ("brokers: {}".encode("utf-16"), "b.yaml:1: the file is UTF-16; save it as UTF-8"),
        (b"#" * (MIB + 1), "b.yaml: the file is 1048577 bytes long; at most 1048576 are read"),
    ],
)
def test_what_is_not_utf8_or_too_long_is_refused(data, expected):
    """Bytes that are no text are a fault, not a traceback."""
    with pytest.raises(ConfigError) as caught:
        loads(data, name="b.yaml", environ={})

    assert expected == str(caught.value)


def test_the_length_of_a_text_counts_in_bytes():
    """The limit is the same for text and bytes."""
    with pytest.raises(ConfigError, match="at most 1048576 are read"):
        loads("ä" * (MIB // 2 + 1), name="b.yaml", environ={})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (BOMB, "more than 10000 values"),
        ("a: &a [1]\n" + "b: *a\n" * 9000, "more than 10000 values"),
        ("".join(f"k{i}: 1\n" for i in range(6000)), "more than 10000 values"),
        (NESTED, "nested deeper than 32 levels"),
        ("[" * MIB, "nested deeper than 32 levels"),
        ("- " * (MIB // 2), "nested deeper than 32 levels"),
        (
            "".join(f"a{i}: &a{i} {{x: {f'*a{i - 1}' if i else 1}}}\n" for i in range(40)),
            "nested deeper than 32 levels",
        ),
    ],
)
def test_a_file_that_grows_is_refused_before_it_grows(text, expected):
    """Values are counted as often as aliases repeat them, and depth likewise."""
    with pytest.raises(ConfigError, match=expected):
        loads(text, name="b.yaml", environ={})


@pytest.mark.parametrize(
    "text",
    [
        "a" * MIB,
        "a\n" * (MIB // 2),
        " " * MIB,
        "\n" * MIB,
        '"' + "a" * (MIB - 1),
        "'" * MIB,
        "a: |\n" + " x\n" * (MIB // 4),
        "#\n" * (MIB // 2),
        "{" * MIB,
        "&a " * (MIB // 4),
        '"' + "\\n" * (MIB // 2 - 1) + '"',
        "? " * (MIB // 2),
        "".join(f"brokerz{i}: 1\n" for i in range(4900)),
        "gateway: {poll_interval_ms: " + "9" * 900_000 + "}",
    ],
)
def test_the_largest_file_is_read_in_seconds(text):
    """No file within the limits makes the gateway hang at its start."""
    began = time.thread_time()
    with pytest.raises(ConfigError):
        loads(text, name="b.yaml", environ={})

    assert time.thread_time() - began < 20


def test_a_key_beside_its_section_is_told_where_it_belongs(report):
    """What is written one level too high is known by its whole name; one that two sections have is not guessed."""
    assert report("state_dir: x\nport: 1\nrisk: {accounts: {demo: {daily_loss: {percent: 5}}}}")[:3] == [
        '1: state_dir: unknown key; it belongs into "gateway"',
        "2: port: unknown key; the keys here are brokers, eas, gateway, risk, tokens",
        '3: risk.accounts.demo.daily_loss: unknown key; it belongs into "rules"',
    ]


@pytest.mark.parametrize("percent", ["5%", '"5%"', "5 %"])
def test_a_percent_sign_is_too_much(report, percent):
    """With or without quotes it is the sign that has to go."""
    said = report(f"risk: {{accounts: {{demo: {{rules: {{margin: {{free_percent: {percent}}}}}}}}}}}")

    assert any("free_percent" in line and line.endswith("write 5, without the sign") for line in said)


def test_faults_that_do_not_end_the_reading_come_with_the_others(report):
    """Tags, strange keys and escapes are reported beside what else is wrong."""
    assert sorted(report('risk: !foo {}\neas: !!map {}\n[a]: 1\na: "\\0"\ngateway: {"<<": {}}')) == [
        "1: a tag (!…) cannot be used here; remove it",
        "3: a key must be a single word, not a list or mapping",
        "4: a value has an escape for a character that is no text; remove it",
        "4: a: unknown key; the keys here are brokers, eas, gateway, risk, tokens",
        '5: gateway."<<": merge keys ("<<") are not supported; write the keys out',
    ]


def test_a_key_that_is_written_twice_names_both_lines(report):
    """The second would win in silence elsewhere."""
    assert report("gateway:\n  rest: {}\n  data: {}\n  rest: {port: 1}") == [
        "4: gateway.rest: written twice, on lines 2 and 4; keep one"
    ]


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "null", "brokers:", "brokers: {}"])
def test_a_file_with_nothing_in_it_says_what_is_missing(text):
    """An empty file is no crash and no empty gateway."""
    with pytest.raises(ConfigError) as caught:
        loads(text, name="b.yaml", environ={})

    assert str(caught.value) == 'b.yaml:1: brokers: no broker is enabled; add one, such as "demo: {type: mt5_mock}"'
