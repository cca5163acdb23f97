"""The attachment server 附件服务器 takes evidence files of terminals (active-safety §4), in a process of its own.

stretches   which bytes of a file are there
shelf       files on their way: on disk, on the desk, until they are complete
upload      what a terminal says on one link, and what is answered; no socket
links       TCP connections and UDP addresses, their queues and limits
server      the process
"""
