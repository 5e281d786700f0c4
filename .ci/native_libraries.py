"""Cargo's configuration by which it links libraries that are built already.

Reads the messages of `cargo build --message-format=json`; prints a table for each build script that linked something,
which replaces it (`target.<triple>.<links>` in Cargo's reference).
"""

import json
import re
import subprocess
import sys

# What the packages with a build script call their library (`links` in their Cargo.toml).
LINKS = {"zmq-sys": "zmq", "libsodium-sys-stable": "sodium"}

host = next(
    line.removeprefix("host: ").strip()
    for line in subprocess.check_output(["rustc", "-vV"], text=True).splitlines()
    if line.startswith("host: ")
)
found = set()
for message in map(json.loads, sys.stdin):
    if message["reason"] != "build-script-executed":
        continue
    # An id ends with the folder's name and `#0.12.0`, or with `#`, the name and `@1.24.3`.
    name = next((name for name in LINKS if re.search(f"[/#]{name}[#@]", message["package_id"])), None)
    if name is None or name in found:
        continue
    found.add(name)
    print(f"[target.{host}.{LINKS[name]}]")
    print(f"rustc-link-lib = {json.dumps(message['linked_libs'])}")
    print(f"rustc-link-search = {json.dumps(message['linked_paths'])}")
if missing := LINKS.keys() - found:
    sys.exit(f"no build script of {', '.join(sorted(missing))} has run")
