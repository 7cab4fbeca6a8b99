import pytest

# So that a failure there shows the values, too.
pytest.register_assert_rewrite("tests.process.books")
