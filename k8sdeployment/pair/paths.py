"""Where things lie inside the peer pod, and where on the host. Both the manifests and the configuration say so."""

PROGRAMS = "/usr/libexec/aos"
PYTHON = "/opt/aos/bin/python"
AGENT_LIBRARY = "/usr/lib/ocf/lib/aos"
COROSYNC = "/etc/corosync"
QDEVICE = f"{COROSYNC}/qdevice/net/nssdb"
FENCING = "/etc/aos/fencing"
# In memory, for the containers that fence.
PROVEN = "/etc/aos/proven"
# In memory, too: an empty file for each device that lied. In a directory that the conductor and Pacemaker both have.
LIARS = "/run/snopair-liars"
# The disk that both sites share, in the containers that read or write there.
PILL = "/dev/snopair-pill"
# In the directory that the peer's containers share: "PID UUID" of an sbd that reads the disk with that header and feeds
# its watchdog; without a disk, see conductor/guard.py. There only while it does.
ARMED = "/run/snopair-pill"
# Beside it: what sbd feeds in place of the watchdog, where somebody else must agree.
FEED = "/run/snopair-feed"
# There once Pacemaker has left the cluster in order.
LEFT = "/run/snopair-left"
# The time, by the host's monotonic clock, at which this site's conductor last saw the pair in maintenance.
MAINTAINED = "/run/snopair-maintained"
# In memory, too: a file for the other site while its watchdog is known to guard it; while it is known to hear its pill.
GUARDED = "/run/snopair-guarded"
HEARD = "/run/snopair-heard"
PCSD_PASSWORD = "/etc/aos/pcsd"
WORKLOADS = "/etc/aos/pair"
PERMITS = "/run/aos"
# When this site had quorum last while the other one counted on its watchdog. Until a boot, like the permits.
HAD_QUORUM = f"{PERMITS}/had-quorum"
SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
HOST_STATE = "/var/lib/aos"
# Pacemaker's own log, which tells what each fence device answered.
LOG = "/var/log/pacemaker/pacemaker.log"
# Lines of JSON, one for each thing that Pacemaker's alerts told. Beside its log, where user hacluster may write.
ALERTS = "/var/log/pacemaker/alerts.jsonl"
# What the conductor must know again after a boot: the CR while the API is away, the recoveries.
CONDUCTOR = "/var/lib/snopair"
PAIR_FILE, DRILL_FILE, LIES_FILE = "pair.json", "drill.json", "lies.json"
# What the conductor saw last, a report.Status as JSON, for whoever asks on this site while its API is away.
STATUS = f"{PERMITS}/status.json"
