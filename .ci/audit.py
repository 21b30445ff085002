"""Known faults of what is installed: `python .ci/audit.py SITE_PACKAGES`, by pip-audit beside this Python.

Exit status 1 and a line for each known vulnerability. Where the index cannot be asked, or knows none of the
packages (a mirror may have no such answers), a warning and 0: that is no fault of the dependencies.
"""

from __future__ import annotations

import json
import subprocess
import sys


def main() -> None:
    """Audit, and say what was found and what was not looked at."""
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
    skipped = [one["name"] for one in dependencies if "skip_reason" in one and one["name"] != "ifm-ident"]
    audited = sum("skip_reason" not in one for one in dependencies)
    if skipped or not audited:
        print(f"warning: the index of vulnerabilities does not know {len(skipped)} packages: {', '.join(skipped)}")
    print(f"{audited} packages audited, {len(known)} known vulnerabilities")
    sys.exit(bool(known))


if __name__ == "__main__":
    main()
