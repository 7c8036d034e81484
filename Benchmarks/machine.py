"""What a report says of where and of what it was measured."""
import os
import platform
import subprocess


def described():
    """The machine in a few words, by name."""
    found = {"system": f"{platform.system()} {platform.release()}", "architecture": platform.machine(),
             "cores": os.cpu_count()}
    try:
        with open("/proc/cpuinfo") as file:
            found["processor"] = next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")),
                                      platform.processor())
        with open("/proc/meminfo") as file:
            found["memory_gib"] = round(int(file.readline().split()[1]) / (1 << 20), 1)
        with open("/etc/os-release") as file:
            found["distribution"] = next((line.split("=", 1)[1].strip().strip('"') for line in file
                                          if line.startswith("PRETTY_NAME")), "")
    except (OSError, ValueError):
        pass
    return found


def revision(repository):
    """The commit that was measured, with a mark when files were changed since."""
    try:
        done = subprocess.run(["git", "-C", str(repository), "describe", "--always", "--dirty", "--exclude", "*"],
                              capture_output=True, text=True, check=True)
        return done.stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
