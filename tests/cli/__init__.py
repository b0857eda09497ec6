"""`snopair`: parsing, refusals and pictures on what the real tools print; files on a real disk; kubectl's kustomize."""
