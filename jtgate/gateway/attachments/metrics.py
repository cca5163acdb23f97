"""What the attachment server counts."""

from prometheus_client import Counter, Gauge, Histogram

BYTES_IN = Counter("jtgate_attachments_received_bytes_total", "Bytes received from terminals")
DATA_BYTES = Counter("jtgate_attachments_data_bytes_total", "Bytes of files that were new")
REPEATED_BYTES = Counter("jtgate_attachments_repeated_bytes_total", "Bytes of files that were there already")
PACKETS = Counter("jtgate_attachments_packets_total", "Data packets")
IGNORED = Counter("jtgate_attachments_ignored_total", "Data packets that were not written", ["why"])
FRAMES = Counter("jtgate_attachments_frames_total", "Frames by message id", ["msg_id"])
REJECTED = Counter("jtgate_attachments_rejected_total", "Frames and stretches of bytes that cannot be read", ["code"])
REFUSED = Counter("jtgate_attachments_refused_total", "Lists of files that were refused", ["why"])
ODD = Counter("jtgate_attachments_odd_total", "Peculiarities of terminals that were tolerated", ["name"])
FILES = Counter("jtgate_attachments_files_total", "Files that ended, by state", ["state"])
ROUNDS = Counter("jtgate_attachments_rounds_total", "0x1212 that were answered with a list of missing ranges")
OPENED = Counter("jtgate_attachments_opened_total", "Links opened", ["transport"])
CLOSED = Counter("jtgate_attachments_closed_total", "Links closed", ["reason"])
PAUSED = Counter("jtgate_attachments_paused_total", "Times reading from a link paused until the disk had caught up")
DROPPED_DATAGRAMS = Counter("jtgate_attachments_datagrams_dropped_total", "Datagrams dropped unread", ["why"])
DISK_FAILURES = Counter("jtgate_attachments_disk_failures_total", "Writes that the disk or the desk refused", ["what"])
SWEPT = Counter("jtgate_attachments_swept_total", "Partial files put away because nothing more came", ["how"])
LINKS = Gauge("jtgate_attachments_links", "Open links", multiprocess_mode="livesum")
HELD_BYTES = Gauge("jtgate_attachments_held_bytes", "Bytes received and not yet on disk", multiprocess_mode="livesum")
S3_WAITING = Gauge("jtgate_attachments_s3_waiting", "Files to be copied or deleted", multiprocess_mode="livesum")
S3_DONE = Counter("jtgate_attachments_s3_total", "Files copied, deleted, and rounds that failed", ["what"])
KEEP_SECONDS = Histogram(
    "jtgate_attachments_keep_seconds",
    "From the last 0x1212 of a file to its place on disk",
    buckets=(0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0),
)
