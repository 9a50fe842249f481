#!/usr/bin/env python3
"""Writes the packages of an image as SPDX 2.3: Debian's, and the Swift packages that the program has in it.

    scripts/image_sbom.py ROOT VERSION OUTPUT

ROOT is the image's file system. SOURCE_DATE_EPOCH is the time that the document has.
"""

import datetime
import json
import os
import subprocess
import sys
from pathlib import Path

PINS = "usr/local/share/doc/tandem/Package.resolved"
TOOLS = Path(sys.executable).parent
NOT_SAID = "NOASSERTION"


def of_debian(root, version, output):
    """What Debian's package database in the image lists."""
    subprocess.run(
        [TOOLS / "distro2sbom", "--distro", "deb", "--system", "--root", root, "--name", "debian",
         "--release", "bookworm", "--format", "json", "--product-type", "container",
         "--product-name", "tandem", "--product-version", version, "--output-file", output],
        check=True, stdout=subprocess.DEVNULL)
    return json.loads(Path(output).read_text())


def swift_package(pin):
    location = pin["location"].removesuffix(".git")
    return {
        "SPDXID": "SPDXRef-swift-" + "".join(c if c.isalnum() else "-" for c in pin["identity"]),
        "name": pin["identity"],
        "versionInfo": pin["state"]["version"],
        "primaryPackagePurpose": "LIBRARY",
        "downloadLocation": f"git+{location}@{pin['state']['revision']}",
        "filesAnalyzed": False,
        "licenseConcluded": NOT_SAID,
        "licenseDeclared": NOT_SAID,
        "copyrightText": NOT_SAID,
        "externalRefs": [{
            "referenceCategory": "PACKAGE-MANAGER",
            "referenceType": "purl",
            "referenceLocator":
                f"pkg:swift/{location.removeprefix('https://')}@{pin['state']['version']}"}]}


def program(version, swift):
    """The program itself, and what it was linked from."""
    package = {
        "SPDXID": "SPDXRef-tandem", "name": "tandem", "versionInfo": version,
        "primaryPackagePurpose": "APPLICATION", "downloadLocation": NOT_SAID, "filesAnalyzed": False,
        "licenseConcluded": NOT_SAID, "licenseDeclared": NOT_SAID, "copyrightText": NOT_SAID}
    links = [{"spdxElementId": package["SPDXID"], "relatedSpdxElement": each["SPDXID"],
              "relationshipType": "STATIC_LINK"} for each in swift]
    described = {"spdxElementId": "SPDXRef-DOCUMENT", "relatedSpdxElement": package["SPDXID"],
                 "relationshipType": "DESCRIBES"}
    return package, [described, *links]


def main(root, version, output):
    document = of_debian(root, version, output)
    pins = json.loads((Path(root) / PINS).read_text())["pins"]
    swift = [swift_package(pin) for pin in pins]
    package, relationships = program(version, swift)
    document["packages"] += [package, *swift]
    document["relationships"] += relationships
    # The same bytes for the same image.
    moment = datetime.datetime.fromtimestamp(int(os.environ["SOURCE_DATE_EPOCH"]), datetime.UTC)
    # SPDX 2.3 has two numbers in a version of the list; no license is stated anyway.
    del document["creationInfo"]["licenseListVersion"]
    document["creationInfo"]["created"] = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    document["documentNamespace"] = f"https://spdx.org/spdxdocs/tandem-{version}-{int(moment.timestamp())}"
    Path(output).write_text(json.dumps(document, indent=1) + "\n")
    subprocess.run([TOOLS / "pyspdxtools", "--infile", output], check=True)
    print(f"image-check: {len(document['packages'])} packages in {output}, {len(swift)} of them Swift's")


main(*sys.argv[1:])
