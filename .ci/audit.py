"""Known faults of what is installed: `python .ci/audit.py SITE_PACKAGES`, by pip-audit in the same environment as this.

Exit status 1 and a line for each known vulnerability. Where the index cannot be asked, a warning and 0: to be offline
is no fault of the dependencies.
"""

from __future__ import annotations

import json
import subprocess
import sys


def main() -> None:
    command = [sys.executable, "-m", "pip_audit", "--path", sys.argv[1], "-f", "json", "--progress-spinner", "off"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        dependencies = json.loads(done.stdout)["dependencies"]
    except (ValueError, LookupError):
        last = (done.stderr.strip().splitlines() or ["no words"])[-1]
        print(f"warning: nothing was audited, the index of vulnerabilities gave no answer: {last[:200]}")
        return
    known = [(one["name"], one["version"], fault) for one in dependencies for fault in one.get("vulns", ())]
    for name, version, fault in known:
        remedy = ", ".join(fault["fix_versions"]) or "no version"
        print(f"{name} {version}: {fault['id']} {' '.join(fault['aliases'])}; mended in {remedy}", file=sys.stderr)
    for one in dependencies:
        if "skip_reason" in one and one["name"] != "ifm-ident":
            print(f"warning: {one['name']} was not audited: {one['skip_reason']}")
    print(f"{len(dependencies)} packages audited, {len(known)} known vulnerabilities")
    sys.exit(bool(known))


if __name__ == "__main__":
    main()
