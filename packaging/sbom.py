#!/usr/bin/env python3
"""Prints of what the program distlogd is made, as CycloneDX 1.5: `packaging/sbom.py > distlogd.cdx.json`.

`cargo tree` says what is built for it. What reads `cargo metadata` instead (cargo-cyclonedx) adds a fifth: crates that only tests and
other programs of the workspace use.
"""

import json
import re
import subprocess
import tomllib

# Depth, name, version, and behind bars license and repository.
LINE = re.compile(r"(\d+)(\S+) v(\S+)[^|]*\|([^|]*)\|(\S*)")


def tree():
    """The crates of the program, itself first: depth, name, version, license, repository. A crate's own only the first time."""
    command = ["cargo", "tree", "--locked", "--package", "distlogd", "--features", "clickhouse,http-export,postgres,sqlite", "--edges", "normal,build", "--prefix", "depth",
               "--format", "{p}|{l}|{r}"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for depth, *crate in (LINE.match(line).groups() for line in printed.splitlines()):
        yield int(depth), *crate


def component(name, version, license_text, repository, checksum):
    purl = f"pkg:cargo/{name}@{version}"
    found = {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}
    if license_text:
        # As crates of old write it.
        found["licenses"] = [{"expression": license_text.replace("/", " OR ")}]
    if checksum:
        found["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    if repository:
        found["externalReferences"] = [{"type": "vcs", "url": repository}]
    return found


def main():
    with open("Cargo.lock", "rb") as file:
        locked = tomllib.load(file)["package"]
    checksums = {(package["name"], package["version"]): package.get("checksum") for package in locked}
    components, needs, above = {}, {}, []
    for depth, name, version, license_text, repository in tree():
        found = component(name, version, license_text, repository, checksums[name, version])
        purl = found["purl"]
        components[purl] = found
        needs.setdefault(purl, set())
        del above[depth:]
        if above:
            needs[above[-1]].add(purl)
        above.append(purl)
    program, *libraries = components.values()
    program["type"] = "application"
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": program},
        "components": sorted(libraries, key=lambda found: found["purl"]),
        "dependencies": [{"ref": purl, "dependsOn": sorted(needs[purl])} for purl in sorted(needs)],
    }
    print(json.dumps(document, indent=1))


if __name__ == "__main__":
    main()
