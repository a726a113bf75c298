"""The price book as the commands see it."""

import pytest
import typer

from gateway.cli.prices.book import Book, data_of


def test_a_model_is_asked_of_where_it_is_called(run):
    book = Book(run.directory)
    assert book.urls("mine") == ["https://api.openai.com/v1"]
    assert book.urls("written") == []


def test_the_rows_of_a_model_whether_it_has_one_or_several(run):
    book = Book(run.directory)
    assert {model: [row.from_ for row in rows] for model, rows in book.rows.items()} == {
        "plain": [None],
        "rising": [None, "2999-01-01"],
        "mine": [None],
    }
    assert book.version == "2026-01-01"


def test_a_book_is_priced_on_any_day_from_any_text(run):
    book = Book(run.directory)
    assert book.priced(book.text, "2999-01-01")["rising"].rates.input == 9_000_000
    assert book.priced(book.text.replace("input: 0.5", "input: 0.75"), book.today)["mine"].rates.input == 750_000


def test_a_tree_without_a_price_book_has_an_empty_one(run):
    run.file.unlink()
    catalog = run.directory / "catalog" / "a.yaml"
    catalog.write_text(catalog.read_text().replace('"price": "book", ', ""))
    assert (Book(run.directory).rows, Book(run.directory).text) == ({}, "")


def test_data_comes_from_one_place(tmp_path):
    with pytest.raises(typer.Exit):
        data_of(tmp_path, fetch=True)
