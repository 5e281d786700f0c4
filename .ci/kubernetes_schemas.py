#!/usr/bin/env python3
"""Lays out the schemas of Kubernetes as kubeconform reads them: kubernetes_schemas.py FOLDER VERSION…

They come with the package kubernetes-validate (Apache-2.0), which makes them of Kubernetes' own description of its API. There
references are addresses of kubernetes.io; here they are the files beside each other.
"""

import json
import sys
from pathlib import Path

import kubernetes_validate

folder = Path(sys.argv[1])
source = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema"
for version in sys.argv[2:]:
    into = folder / f"v{version}"
    into.mkdir(parents=True, exist_ok=True)
    for file in (source / f"v{version}-local-strict").iterdir():
        schema = json.loads(file.read_text())
        schema.pop("$id", None)
        text = json.dumps(schema)
        (into / file.name).write_text(text.replace('"/api/_definitions.json', '"_definitions.json'))
