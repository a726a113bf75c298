"""Source code is told from prose, data and lock files."""

import pytest
import re2

from gateway.sensitivity.detectors.code import SOURCE
from gateway.sensitivity.sight import Sight

CODE = {
    "python": "import os\n\n\ndef total(items):\n    result = 0\n    for item in items:\n        result += item.price\n    return result\n",
    "python, a part": "        self.items = []\n        if not items:\n            return None\n        return self.total(items)\n",
    "javascript": "const total = (items) => {\n  let sum = 0;\n  items.forEach((item) => { sum += item.price; });\n  return sum;\n};\n",
    "java": "public class Shop {\n    private final int total;\n\n    public int total() {\n        return this.total;\n    }\n}\n",
    "go": 'package main\n\nimport "fmt"\n\nfunc main() {\n\tfmt.Println("hello")\n}\n'.replace(
        "package main\n", "package main;\n"
    ),
    "rust": 'use std::fs;\n\nfn main() {\n    let text = fs::read_to_string(path).unwrap();\n    println!("{}", text);\n}\n',
    "c": '#include <stdio.h>\n\nint main(void) {\n    printf("%d", 1);\n    return 0;\n}\n',
    "php": "<?php\n$total = 0;\nforeach ($items as $item) {\n    $total += $item->price;\n}\n",
    "sql": "SELECT name, price FROM items WHERE price > 3;\n",
    "fenced": "Why does this not work?\n\n```python\nx = 1\n```\nThank you.",
    "fenced without a language": "Look:\n```\nfor (int i = 0; i < 3; i++) {\n  sum += i;\n}\n```\n",
    "among prose": "Please review this.\n\ndef add(a, b):\n    return a + b\n\nIt should add two numbers.",
}

OTHER = {
    "prose": "Import duties are paid by the buyer. If you return the goods, they class them as used; for more, see the terms.\n"
    * 4,
    "prose with code words": "The function of the class is to return to its origin.\nFrom here, import what you need.\nWhile we wait: else, nothing.",
    "maths": "Let x = 3 and y = 4. Then x + y = 7, so (x + y)^2 = 49.\nFind f(x) = 2x + 1 for x = 5.",
    "options": "Options:\n(A) 12/09/1965\n(B) 03/02/1966\n(C) 03/28/1966",
    "brackets": "Complete the rest of the sequence: { < ( [ ] ) > } ( { [ < >",
    "lock file": '[[package]]\nname = "mio"\nversion = "1.0.4"\nchecksum = "78bed444"\ndependencies = [\n "libc",\n "wasi",\n]\n'
    * 3,
    "json": '{\n  "name": "bob",\n  "items": [\n    {"id": 1, "price": 3.5},\n    {"id": 2}\n  ]\n}\n',
    "yaml": "name: bob\nitems:\n  - id: 1\n    price: 3\n  - id: 2\n",
    "a letter": "Dear Bob,\n\nthank you for your letter;\nI shall answer soon.\n\nYours,\nAlice",
    "a list": "- milk\n- bread (two)\n- eggs;\n- what else?\n",
    "spanish": "Datos del paciente.\nNombre: Diana.\nDomicilio: Calle Carrion, 20, 4 C.\nFecha: 04/08/1981.\n",
    "fenced data": 'Read this:\n```json\n{"a": 1}\n```\n',
}


def found(text):
    return list(SOURCE.find(Sight(text)))


@pytest.mark.parametrize("text", CODE.values(), ids=CODE)
def test_code_is_seen(text):
    assert found(text)
    assert re2.search(SOURCE.trigger, text)


@pytest.mark.parametrize("text", OTHER.values(), ids=OTHER)
def test_what_is_no_code_is_none(text):
    assert found(text) == []


def test_one_finding_spans_the_code_and_not_the_prose():
    text = CODE["among prose"]
    (hit,) = found(text)
    assert text[hit.start : hit.end].startswith("def add(a, b):")
    assert text[hit.start : hit.end].endswith("return a + b")
    text = CODE["fenced"]
    (hit,) = found(text)
    assert text[hit.start : hit.end] == "x = 1\n"


def test_a_fence_that_is_never_closed_ends_with_the_text():
    text = "see\n```python\nx = 1"
    (hit,) = found(text)
    assert text[hit.start : hit.end] == "x = 1"
