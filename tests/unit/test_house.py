"""Rules that every file of the project keeps."""

from benchmarks.report.code_size import LONGEST, long_files, read_tree


def test_no_file_is_too_long() -> None:
    assert long_files(read_tree()) == [], f"split what has more than {LONGEST} lines"
