#!/usr/bin/env python3
"""Checks text that no compiler reads.

* A file or folder that module docs (`//!`) or a top-level document name in backticks exists.
* A relative link in Markdown leads to a file.
* A line of Rust has at most 120 columns. Rows of Markdown tables in docs and code with a string literal may have more:
  both cannot be broken without harm.
* Each row of the tables in `docs/threats.md` names tests, and these exist.
* Each dependency of a crate that is published has its reason: a comment at its line, or one of the manifest that names it in backticks.
"""

import os
import re
import subprocess
import sys

COLUMNS = 120
FILE = re.compile(r"`((?:[\w.-]+/)*[\w-]+\.(?:rs|py|js|proto|md|toml|ya?ml|sh))`")
FOLDER = re.compile(r"`((?:[\w.-]+/)+)`")
LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)")
IN_BACKTICKS = re.compile(r"`([^`]+)`")
DEPENDENCY = re.compile(r"([\w-]+)\s*=")
# Every crate has these.
GENERAL = {"lib.rs", "mod.rs"}
# Documents whose names in backticks are those of this repository. Other documents also name files of users.
NAMING = {"ARCHITECTURE.md", "CONTRIBUTING.md", "docs/decisions.md", "docs/glossary.md", "docs/performance.md"}

# Its tables have a column of tests.
THREATS = "docs/threats.md"


def tracked(*patterns):
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns],
        capture_output=True, text=True, check=True)
    return [name for name in listed.stdout.splitlines() if os.path.exists(name)]


def places(path):
    """Folders that a name may be relative to: those of the file up to the root, and the source folder of its crate."""
    folder = os.path.dirname(path)
    # A module `a.rs` has its files in `a/`.
    yield os.path.splitext(path)[0]
    while True:
        yield folder
        yield os.path.join(folder, "src")
        if not folder:
            return
        folder = os.path.dirname(folder)


def names(path, text, known, folders):
    """Names in the text without a file. A folder that was named before (`folders`) may be the one that a name is in."""
    for pattern in (FOLDER, FILE):
        for name in pattern.findall(text):
            if name in GENERAL:
                continue
            candidates = [os.path.normpath(os.path.join(place, name)) for place in [*places(path), *folders]]
            found = next((candidate for candidate in candidates if candidate in known), None)
            if found is None:
                yield name
            elif pattern is FOLDER:
                folders.append(found)


def unexplained(manifest):
    """Dependencies that no comment says the reason of, with their lines. Those within the workspace need none."""
    lines = manifest.splitlines()
    remarks = " ".join(line for line in lines if line.startswith("#"))
    section = ""
    for number, line in enumerate(lines, 1):
        if line.startswith("["):
            section = line
        name = DEPENDENCY.match(line)
        if name is None or not section.endswith("dependencies]") or "dev-dependencies" in section:
            continue
        if "path =" not in line and "  # " not in line and f"`{name[1]}`" not in remarks:
            yield number, name[1]


def untested(line):
    """What is wrong with the last cell of a row: files, each followed by names of tests in it."""
    cell = line.rstrip().rstrip("|").rsplit("|", 1)[-1]
    text, count = None, 0
    for name in IN_BACKTICKS.findall(cell):
        if "/" in name:
            if not os.path.exists(name):
                yield f"no file `{name}`"
                return
            with open(name, encoding="utf-8") as file:
                text = file.read()
        elif text is None or name not in text:
            yield f"no test `{name}`"
        else:
            count += 1
    if count == 0:
        yield "a row without a test"


def main():
    os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
    files = tracked()
    known = set(files)
    for name in files:
        while name:
            name = os.path.dirname(name)
            known.add(name)
    faults = []
    for path in tracked("*.rs"):
        generated, folders = False, []
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                line = line.rstrip("\n")
                generated |= number < 5 and "@generated" in line
                comment = line.lstrip()
                table = comment.startswith(("//! |", "/// |"))
                literal = '"' in line and not comment.startswith("//")
                if len(line) > COLUMNS and not table and not literal and not generated:
                    faults.append(f"{path}:{number}: {len(line)} columns")
                if comment.startswith("//!"):
                    faults.extend(f"{path}:{number}: no file `{name}`" for name in names(path, comment, known, folders))
    for path in tracked("*.md"):
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if path in NAMING:
                    faults.extend(f"{path}:{number}: no file `{name}`" for name in names(path, line, known, []))
                if path == THREATS and line.startswith("| ") and not line.startswith("| who"):
                    faults.extend(f"{path}:{number}: {fault}" for fault in untested(line))
                for link in LINK.findall(line):
                    if not os.path.exists(os.path.join(os.path.dirname(path), link)):
                        faults.append(f"{path}:{number}: no file behind the link {link}")
    for path in tracked("*Cargo.toml"):
        with open(path, encoding="utf-8") as file:
            manifest = file.read()
        if "\npublish = false" not in manifest:
            faults.extend(
                f"{path}:{number}: no reason for the dependency `{name}`" for number, name in unexplained(manifest))
    print("\n".join(faults + [f"{len(files)} files, {len(faults)} faults"]))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
